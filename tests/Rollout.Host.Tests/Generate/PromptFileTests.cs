using Rollout.Gpu.Contracts;
using Rollout.Host.Generate;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Generate;

public sealed class PromptFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_prompt_may_be_ids_or_text_with_samples_and_lengths_of_its_own()
    {
        var prompts = Read(
            """
            {"id":"ids","prompt_ids":[3,4,5]}

            {"id":7,"prompt":"1+2=","samples":3,"max_tokens":5}
            {"id":"list","prompt_ids":[0],"max_tokens":[1,2]}
            """);

        Assert.Equal(["ids", "7", "list"], prompts.Select(prompt => prompt.Id.ToString()));
        Assert.Equal([1, 3, 4], prompts.Select(prompt => prompt.Group.Id.Value));     // line numbers
        Assert.Equal([[8], [5, 5, 5], [1, 2]], prompts.Select(MaxTokens));
        Assert.Equal([3, 4, 5], prompts[0].Group.Prompt);
        Assert.Equal(4, prompts[1].Group.Prompt.Length);
    }

    [Fact]
    public void The_command_lines_samples_hold_for_lines_that_say_nothing_else()
    {
        var prompts = Read(
            """
            {"id":"a","prompt_ids":[3]}
            {"id":"b","prompt_ids":[3],"samples":1}
            {"id":"c","prompt_ids":[3],"max_tokens":[4,4]}
            """,
            samples: 2);

        Assert.Equal([[8, 8], [8], [4, 4]], prompts.Select(MaxTokens));
    }

    [Theory]
    [InlineData("""{"id":"a","prompt_ids":[1]""", "not valid JSON at byte 27 of the line")]
    [InlineData("""[1]""", "holds no JSON object")]
    [InlineData("""{"id":null,"prompt_ids":[1]}""", "id must be a text or a number")]
    [InlineData("""{"id":"a","prompt_ids":[1],"logprobs":1}""",
        "logprobs is a field of the output, which repeats the prompt's other fields: rename it, or name it by --prompt-field")]
    [InlineData("""{"id":"a"}""", "has no prompt, expected one of prompt, prompt_ids and messages")]
    [InlineData("""{"id":"a","prompt":"1","prompt_ids":[1]}""",
        "has prompt and prompt_ids, expected only one of prompt, prompt_ids and messages")]
    [InlineData("""{"id":"a","prompt_ids":[1,16]}""", "prompt_ids must be a list of token ids from 0 to 15, and holds 16")]
    [InlineData("""{"id":"a","prompt_ids":[-1]}""", "prompt_ids must be a list of token ids from 0 to 15, and holds -1")]
    [InlineData("""{"id":"a","prompt_ids":[1.5]}""", "prompt_ids must be a list of token ids from 0 to 15, and holds 1.5")]
    [InlineData("""{"id":"a","prompt_ids":"1"}""", "prompt_ids must be a list of token ids from 0 to 15")]
    [InlineData("""{"id":"a","prompt_ids":[]}""", "prompt_ids is empty, expected at least one token")]
    [InlineData("""{"id":"a","prompt":""}""", "prompt is empty, expected at least one token")]
    [InlineData("""{"id":"a","prompt":5}""", "prompt must be a text")]
    [InlineData("""{"id":"a","prompt":"x"}""", "the vocabulary has no token for 'x'")]
    [InlineData("""{"id":"a","prompt":"\ud800"}""", "escapes one half of a surrogate pair")]
    [InlineData("""{"id":"a","messages":[{"role":"user"}]}""", "messages must be a list of {role, content}, both texts")]
    [InlineData("""{"id":"a","messages":[{"role":"user","content":"1"}]}""", "has no chat_template, which chat prompts need")]
    [InlineData("""{"id":"a","prompt_ids":[1],"max_tokens":0}""",
        "max_tokens must be a whole number from 1 to 2147483647, or a list of them, one a sample and at most 65536")]
    [InlineData("""{"id":"a","prompt_ids":[1],"max_tokens":[]}""",
        "max_tokens must be a whole number from 1 to 2147483647, or a list of them, one a sample and at most 65536")]
    [InlineData("""{"id":"a","prompt_ids":[1],"max_tokens":[1,2],"samples":3}""",
        "max_tokens has 2 entries and samples is 3, expected one entry a sample")]
    [InlineData("""{"id":"a","prompt_ids":[1],"samples":0}""", "samples must be a whole number from 1 to 65536")]
    [InlineData("""{"id":"a","prompt_ids":[1],"samples":99999999999}""", "samples must be a whole number from 1 to 65536")]
    [InlineData("""{"id":"a","prompt_ids":[99999999999]}""", "ids from 0 to 15, and holds 99999999999")]
    [InlineData("""{"id":"a","prompt_ids":[1],"max_tokens":99999999999}""", "max_tokens must be a whole number from 1 to 2147483647")]
    [InlineData("""{"id":"a","\ud800":1,"prompt_ids":[1]}""", "escapes one half of a surrogate pair")]
    [InlineData("""{"id":"a","messages":[{"\ud800":"user"}]}""", "escapes one half of a surrogate pair")]
    [InlineData("""{"id":"a","prompt_ids":[1,2],"max_tokens":63}""",
        "its prompt has 2 tokens, and with 63 new ones (max_tokens) it exceeds the model's 64")]
    [InlineData("""{"id":"a","id":"b","prompt_ids":[1]}""", "not valid JSON")]
    [InlineData("""{"id":"ok","prompt_ids":[1]}""", "id \"ok\" is already that of line 1")]
    public void A_line_that_cannot_be_run_is_refused_in_one_sentence_with_file_and_line(string line, string sentence)
    {
        var wrong = Assert.Throws<InvalidDataException>(() => Read($"{{\"id\":\"ok\",\"prompt_ids\":[1]}}\n{line}\n"));

        Assert.StartsWith($"{_folder.At("in.jsonl")}:2: ", wrong.Message, StringComparison.Ordinal);
        Assert.Contains(sentence, wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', wrong.Message);
    }

    [Fact]
    public void Other_fields_are_kept_and_a_line_without_an_id_has_its_number()
    {
        var prompts = Read(
            """
            {"id":"a","prompt":"1+2=","answer":"3","level":{"of":5}}
            {"prompt":"3+4="}
            """);

        Assert.Equal(["a", "2"], prompts.Select(prompt => prompt.Id.ToString()));
        Assert.Equal(["answer", "level"], prompts[0].Fields.Keys);
        Assert.Equal("""{"of":5}""", prompts[0].Fields["level"].ToString());
        Assert.Empty(prompts[1].Fields);
    }

    [Fact]
    public void The_field_with_the_text_may_have_any_name()
    {
        var prompt = Assert.Single(
            Read("""{"question":"3+4=","prompt":"a text"}""", Defaults(null) with { PromptField = "question" }));

        Assert.Equal(4, prompt.Group.Prompt.Length);
        Assert.Equal("a text", prompt.Fields["prompt"].GetString());
    }

    [Fact]
    public void Where_nobody_says_how_many_new_tokens_it_is_as_many_as_fit()
    {
        var defaults = Defaults(null) with { MaxTokens = null, Longest = 20 };
        const string Lines = """
            {"prompt_ids":[1,2,3]}
            {"prompt_ids":[1,2,3],"max_tokens":40}
            """;

        Assert.Equal([[17], [40]], Read(Lines, defaults).Select(MaxTokens));
        Assert.Equal([[5], [40]], Read(Lines, defaults with { Sampling = new SamplingParams { MaxTokens = 5 } }).Select(MaxTokens));

        var wrong = Assert.Throws<InvalidDataException>(() => Read(Lines, defaults with { Longest = 3 }));
        Assert.EndsWith(
            "in.jsonl:1: its prompt has 3 tokens, and model and KV pool take 3, new ones included", wrong.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_lines_samples_must_be_as_many_as_a_lists_entries()
    {
        var wrong = Assert.Throws<InvalidDataException>(() =>
            Read("""{"id":"a","prompt_ids":[1],"max_tokens":[1,2]}""", samples: 3));

        Assert.EndsWith(
            "in.jsonl:1: max_tokens has 2 entries and --samples is 3, expected one entry a sample", wrong.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Text_needs_a_tokenizer_and_ids_do_without()
    {
        using var folder = new TemporaryFolder();
        var model = ModelFiles.Read(TinyModel.Save(folder, withTokenizer: false));

        Assert.Single(Read("""{"id":"a","prompt_ids":[1]}""", model: model));
        var wrong = Assert.Throws<InvalidDataException>(() => Read("""{"id":"a","prompt":"1"}""", model: model));
        Assert.Contains("in.jsonl:1: a prompt of text needs a tokenizer, and ", wrong.Message, StringComparison.Ordinal);
        Assert.EndsWith("has no tokenizer.json", wrong.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n \n")]
    public void A_file_without_a_prompt_is_refused(string text)
    {
        var wrong = Assert.Throws<InvalidDataException>(() => Read(text));
        Assert.EndsWith("is empty; expected at least one prompt", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_and_bytes_that_are_no_text_are_named()
    {
        var missing = Assert.Throws<InvalidDataException>(() =>
            PromptFile.Read(_folder.At("none.jsonl"), ModelFiles.Read(TinyModel.Source), Defaults(null)));
        Assert.Contains("none.jsonl: there is no such file", missing.Message, StringComparison.Ordinal);

        var path = _folder.At("bytes.jsonl");
        File.WriteAllBytes(path, [.. "{\"id\":\"a\",\"prompt\":\""u8, 0xFF, .. "\"}"u8]);
        var bytes = Assert.Throws<InvalidDataException>(() =>
            PromptFile.Read(path, ModelFiles.Read(TinyModel.Source), Defaults(null)));
        Assert.EndsWith("bytes.jsonl:1: not valid UTF-8", bytes.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_beyond_the_bound_is_refused_without_reading_it_whole()
    {
        var path = _folder.At("long.jsonl");
        using (var file = File.Create(path))
        {
            file.Write("{\"id\":\"a\",\"prompt_ids\":[1]}\n{\"id\":\""u8);
            file.SetLength(10L << 30); // a sparse file: its second line would not fit into any array
        }

        var wrong = Assert.Throws<InvalidDataException>(() =>
            PromptFile.Read(path, ModelFiles.Read(TinyModel.Source), Defaults(null)));

        Assert.Equal($"{path}:2: the line is longer than {16 << 20} bytes", wrong.Message);
    }

    [Fact]
    public void A_file_that_asks_for_too_many_samples_is_refused_at_the_line_that_does()
    {
        var lines = Enumerable.Range(1, 200).Select(i => $$"""{"id":{{i}},"prompt_ids":[1],"samples":65536}""");

        var wrong = Assert.Throws<InvalidDataException>(() => Read(string.Join('\n', lines)));

        Assert.EndsWith(
            "in.jsonl:153: the lines up to here ask for 10027008 samples, and a file may ask for 10000000", wrong.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_that_no_model_length_can_hold_is_refused_before_it_is_tokenised()
    {
        var wrong = Assert.Throws<InvalidDataException>(() =>
            Read($$"""{"id":"a","prompt":"{{new string('1', 5000)}}"}"""));

        Assert.EndsWith(
            "in.jsonl:1: its prompt has 5000 characters, and the model takes 64 tokens", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_id_or_number_is_shortened_in_the_message()
    {
        var digits = new string('9', 1000);

        var wrong = Assert.Throws<InvalidDataException>(() => Read($$"""{"id":"a","prompt_ids":[{{digits}}]}"""));

        Assert.EndsWith($"and holds {digits[..40]}…", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stop_ends_the_reading_between_two_lines()
    {
        File.WriteAllText(_folder.At("in.jsonl"), """{"id":"a","prompt_ids":[1]}""");

        Assert.Throws<OperationCanceledException>(() => _ = PromptFile.Read(
            _folder.At("in.jsonl"), ModelFiles.Read(TinyModel.Source), Defaults(null), new CancellationToken(canceled: true)));
    }

    [Fact]
    public void A_byte_order_mark_before_the_first_line_is_no_part_of_it()
    {
        File.WriteAllBytes(_folder.At("in.jsonl"), [.. "\uFEFF{\"id\":\"a\",\"prompt_ids\":[1]}"u8]);

        Assert.Single(PromptFile.Read(_folder.At("in.jsonl"), ModelFiles.Read(TinyModel.Source), Defaults(null)));
    }

    public void Dispose() => _folder.Dispose();

    private static int[] MaxTokens(PromptLine prompt) => [.. prompt.Group.Samples.Select(sample => sample.MaxTokens)];

    private static PromptDefaults Defaults(int? samples) => new()
    {
        PromptField = "prompt",
        Sampling = new SamplingParams { MaxTokens = 1000 },
        MaxTokens = 8,
        Samples = samples,
        MaxModelLength = 64,
        Longest = 64,
    };

    private IReadOnlyList<PromptLine> Read(string text, int? samples = null, ModelFiles? model = null) =>
        Read(text, Defaults(samples), model);

    private IReadOnlyList<PromptLine> Read(string text, PromptDefaults defaults, ModelFiles? model = null)
    {
        File.WriteAllText(_folder.At("in.jsonl"), text);
        return PromptFile.Read(_folder.At("in.jsonl"), model ?? ModelFiles.Read(TinyModel.Source), defaults);
    }
}
