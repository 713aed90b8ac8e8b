using System.Text;
using Rollout.Actors.Data;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Data;

public sealed class FileDatasetTests
{
    [Fact]
    public void A_line_becomes_a_prompt_with_its_texts_and_numbers_as_fields()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("train.jsonl", """
            {"question": "2+2?", "solution": "#### 4", "level": 3, "weight": 1.50, "tags": [], "yes": true, "no": null}
            """);
        using var dataset = new FileDataset(
            Settings(path) with
            {
                PromptField = "question",
                AnswerField = "solution",
                Prefix = "Q: ",
                Suffix = "\nA:",
            });
        var item = dataset.Train[0];
        Assert.Equal("train.jsonl:1", item.Id);
        Assert.Equal("Q: 2+2?\nA:", item.Prompt);
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["solution"] = "#### 4",
                ["level"] = "3",
                ["weight"] = "1.50",
                ["answer"] = "#### 4",
            },
            item.Fields);
    }

    [Fact]
    public void A_field_called_answer_is_no_answer_where_another_field_is()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("train.jsonl", """{"prompt": "2+2?", "answer": "5"}""");
        using var dataset = new FileDataset(Settings(path) with { AnswerField = "solution" });

        Assert.Empty(dataset.Train[0].Fields);
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void Blank_lines_and_a_byte_order_mark_are_passed_over_and_still_counted(string newLine)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("t.jsonl", "\uFEFF" + string.Join(
            newLine, "", """{"prompt": "a"}""", "  \t", """{"prompt": "日本"}""", ""));
        using var dataset = Open(path);
        Assert.Equal(
            [("t.jsonl:2", "a"), ("t.jsonl:4", "日本")],
            dataset.Train
                .Select(item => (item.Id, item.Prompt)).Order());
    }

    [Fact]
    public void Lines_are_found_across_the_chunks_that_a_large_file_is_read_in()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("t.jsonl", string.Concat(Enumerable.Range(0, 300)
            .Select(i => $$"""{"prompt": "{{i}} {{new string('x', i * 7)}}"}""" + "\n")));
        Assert.True(new FileInfo(path).Length > 3 * 65536);
        using var dataset = Open(path);
        Assert.All(dataset.Train, item =>
        {
            var number = int.Parse(item.Id.Split(':')[1]) - 1;
            Assert.Equal($"{number} {new string('x', number * 7)}", item.Prompt);
        });
    }

    [Fact]
    public void Held_out_lines_come_in_a_fixed_shuffled_order()
    {
        using var folder = new TemporaryFolder();
        var settings = Settings(folder.Write("train.jsonl", Lines(3))) with { HeldOut = folder.Write("test.jsonl", Lines(100)) };
        using var one = new FileDataset(settings);
        using var other = new FileDataset(settings);
        string[] prompts = [.. one.HeldOut.Select(item => item.Prompt)];
        Assert.Equal(prompts, other.HeldOut.Select(item => item.Prompt));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => $"prompt {i}").Order(), prompts.Order());
        Assert.NotEqual(Enumerable.Range(0, 100).Select(i => $"prompt {i}"), prompts);
        Assert.Equal(prompts[7], one.HeldOut[7].Prompt);
        using var without = Open(settings.Train);
        Assert.Empty(without.HeldOut);
    }

    [Fact]
    public void Messages_and_user_texts_go_through_the_chat_format()
    {
        using var folder = new TemporaryFolder();
        var settings = Settings(folder.Write("t.jsonl", """
            {"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}
            """)) with { Suffix = "!", Chat = ChatWrapping.User };
        using var messages = new FileDataset(settings, Format);
        Assert.Equal("system:s|user:u", messages.Train[0].Prompt);
        using var text = new FileDataset(
            settings with { Train = folder.Write("u.jsonl", """{"prompt": "hi"}""") }, Format);
        Assert.Equal("user:hi!", text.Train[0].Prompt);

        static string Format(IReadOnlyList<ChatMessage> messages) =>
            string.Join('|', messages.Select(message => $"{message.Role}:{message.Content}"));
    }

    [Theory]
    [InlineData("{\"prompt\": ", "t.jsonl:2: not valid JSON at byte 12 of the line")]
    [InlineData("{\"prompt\": \"\\uD800\"}", "t.jsonl:2: escapes one half of a surrogate pair")]
    [InlineData("{\"prompt\": \"x\", \"\\uD800\": 1}", "t.jsonl:2: escapes one half of a surrogate pair")]
    [InlineData("{\"\\uDC00\": 1}", "t.jsonl:2: escapes one half of a surrogate pair")]
    [InlineData("[1]", "t.jsonl:2: holds no JSON object")]
    [InlineData("{\"text\": \"x\"}", "t.jsonl:2: has no field \"prompt\"")]
    [InlineData("{\"prompt\": 3}", "t.jsonl:2: field \"prompt\" must be text or a list of {role, con")]
    [InlineData("{\"prompt\": [{\"role\": \"user\"}]}", "t.jsonl:2: field \"prompt\" must be text or a list")]
    [InlineData("{\"prompt\": [{\"role\": \"it\", \"content\": \"\"}]}", "t.jsonl:2: field \"prompt\": a m")]
    [InlineData("{\"prompt\": \"x\", \"answer\": [1]}", "t.jsonl:2: field \"answer\" must be text or")]
    public void A_wrong_line_ends_it_at_the_start_by_file_and_line(string line, string complaint)
    {
        using var folder = new TemporaryFolder(
            ("tokenizer_config.json", """{"chat_template": "<|im_start|>"}"""));
        var path = folder.Write("t.jsonl", $$"""{"prompt": "fine"}{{"\n"}}{{line}}""");
        var chat = ChatTemplate.Load(folder.Path);
        var wrong = Assert.Throws<InvalidDataException>(
            () => new FileDataset(Settings(path), messages => chat.Format(messages)));
        Assert.StartsWith(Path.Combine(folder.Path, complaint), wrong.Message);
    }

    [Fact]
    public void Broken_utf8_missing_files_empty_files_and_a_missing_chat_format_are_named()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "t.jsonl");
        Assert.EndsWith("t.jsonl: no such file", Wrong(path));
        folder.Write("t.jsonl", "\n\n");
        Assert.EndsWith("t.jsonl: holds no prompt", Wrong(path));
        File.WriteAllBytes(path, [.. Encoding.UTF8.GetBytes("{\"prompt\": \""), 0xFF, .. "\"}"u8]);
        Assert.EndsWith("t.jsonl:1: not valid UTF-8", Wrong(path));
        folder.Write("t.jsonl", """{"prompt": [{"role": "user", "content": "x"}]}""");
        Assert.EndsWith(
            "t.jsonl:1: field \"prompt\" is a list of messages, but the model has no chat format",
            Wrong(path));
    }

    [Fact]
    public void A_line_that_no_model_could_take_is_refused_before_it_is_read()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("t.jsonl", "{\"prompt\": \"x\"}\n\"" + new string('x', 16 << 20) + "\"");
        Assert.EndsWith("t.jsonl:2: is longer than 16777216 bytes", Wrong(path));
    }

    [Fact]
    public void Reading_the_lines_ends_when_it_is_cancelled()
    {
        using var folder = new TemporaryFolder();
        var settings = Settings(folder.Write("t.jsonl", Lines(3)));
        Assert.Throws<OperationCanceledException>(
            () => new FileDataset(settings, cancellation: new CancellationToken(canceled: true)));
    }

    private static string Wrong(string path) =>
        Assert.Throws<InvalidDataException>(() => Open(path)).Message;

    private static FileDataset Open(string path) =>
        new(Settings(path));

    private static FileSettings Settings(string path) =>
        (FileSettings)RolloutSettings.From(ConfigTree.Load()).Data.Sections[DatasetType.Jsonl] with { Train = path };

    private static string Lines(int count) => string.Join('\n', Enumerable.Range(0, count)
        .Select(i => $$"""{"prompt": "prompt {{i}}", "answer": {{i}}}"""));
}
