using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck.Fluent;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

public sealed class HuggingFaceTokenizerTests
{
    public static TheoryData<string> Families() =>
        [.. Fixtures.Golden()["variants"]!.AsArray().Select(variant => (string)variant!["name"]!)];

    [Theory]
    [MemberData(nameof(Families))]
    public void Ids_and_texts_are_those_of_hugging_face(string family)
    {
        var tokenizer = Fixtures.Variant(family);
        var cases = Fixtures.Golden()["variants"]!.AsArray()
            .Single(variant => (string)variant!["name"]! == family)!["cases"]!.AsArray();
        Assert.NotEmpty(cases);
        foreach (var one in cases)
        {
            var ids = Ints(one!["ids"]!);
            Assert.Equal(ids, tokenizer.Encode((string)one["text"]!));
            Assert.Equal((string)one["decoded"]!, tokenizer.Decode(ids));
            Assert.Equal((string)one["whole"]!, tokenizer.Decode(ids, keepSpecialTokens: true));
        }
    }

    [QwenFact]
    public void Qwen3_gives_the_ids_and_texts_of_its_golden_file()
    {
        var file = Path.Combine(Fixtures.Qwen3!, "golden.json");
        var golden = JsonNode.Parse(File.ReadAllText(file))!.AsArray();
        Assert.NotEmpty(golden);
        foreach (var one in golden)
        {
            var ids = Ints(one!["ids"]!);
            Assert.Equal(ids, Fixtures.Qwen.Encode((string)one["text"]!));
            Assert.Equal((string)one["decoded"]!, Fixtures.Qwen.Decode(ids, keepSpecialTokens: true));
        }
    }

    [QwenFact]
    public void Special_tokens_are_recognised_and_left_out_of_decoded_text_unless_asked_for()
    {
        const string Text = "<|im_start|>user\n<think>Hi<|im_end|>";
        var ids = Fixtures.Qwen.Encode(Text);
        Assert.Equal(151644, ids[0]);
        // Qwen3's <think> is added but not special.
        Assert.Equal("user\n<think>Hi", Fixtures.Qwen.Decode(ids));
        Assert.Equal(Text, Fixtures.Qwen.Decode(ids, keepSpecialTokens: true));
        Assert.True(Fixtures.Qwen.IsSpecial(151644));
        Assert.False(Fixtures.Qwen.IsSpecial(ids[^2]));
    }

    [QwenFact]
    public void Qwen3_gives_any_text_back_in_normal_form() =>
        Prop.ForAll<string>(text =>
        {
            text = UnicodeComposition.Compose(text ?? "");
            return Fixtures.Qwen.Decode(Fixtures.Qwen.Encode(text), keepSpecialTokens: true) == text;
        }).Holds();

    [Fact]
    public void Any_text_comes_back_whatever_its_characters()
    {
        var tokenizer = Fixtures.Variant("gpt2");
        var point = Gen.OneOf(Gen.Choose(0, 0x7F), Gen.Choose(0x80, 0xD7FF), Gen.Choose(0xE000, 0x10FFFF));
        var texts = point.Select(char.ConvertFromUtf32).ListOf().Select(points => string.Concat(points));
        Prop.ForAll(texts.ToArbitrary(), text =>
            tokenizer.Decode(tokenizer.Encode(text), keepSpecialTokens: true) == text)
            .Holds();
    }

    [Fact]
    public void Every_text_of_the_arithmetic_alphabet_is_one_token_a_character_and_comes_back()
    {
        var texts = Gen.Elements("0123456789+-*=".ToCharArray()).ListOf().Select(string.Concat);
        Prop.ForAll(texts.ToArbitrary(), text =>
        {
            var ids = Fixtures.Arithmetic.Encode(text);
            return ids.Length == text.Length && Fixtures.Arithmetic.Decode(ids) == text;
        }).Holds();
    }

    [Fact]
    public void A_lone_surrogate_is_read_as_the_replacement_character()
    {
        var tokenizer = Fixtures.Variant("qwen");
        Assert.Equal(tokenizer.Encode("a\uFFFDb"), tokenizer.Encode("a\uD800b"));
    }

    [Fact]
    public void A_character_that_the_vocabulary_cannot_spell_is_refused_by_name()
    {
        var wrong = Assert.Throws<ArgumentException>(() => Fixtures.Arithmetic.Encode("1 2"));
        Assert.Contains("tokenizer.json: the vocabulary has no token for ' ' (U+0020)", wrong.Message);
    }

    [Fact]
    public void Many_threads_get_the_same_ids()
    {
        var tokenizer = Fixtures.Variant("llama3");
        var texts = Enumerable.Range(0, 64)
            .Select(i => $"The quick {i} through\n\n{i * 37} 日本語 <|im_end|>").ToArray();
        var alone = texts.Select(text => tokenizer.Encode(text)).ToArray();
        var fresh = Fixtures.Variant("llama3");
        Parallel.For(0, 2000, i => Assert.Equal(alone[i % 64], fresh.Encode(texts[i % 64])));
    }

    [Fact]
    public void Ids_beyond_the_vocabulary_give_no_text_and_negative_ones_are_errors()
    {
        var tokenizer = Fixtures.Arithmetic;
        Assert.Equal("1", tokenizer.Decode([3, tokenizer.VocabularySize, 1_000_000]));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([-1]));
    }

    [Fact]
    public void Merges_may_be_written_as_pairs()
    {
        var golden = Fixtures.Golden()["tokenizer"]!;
        var asTexts = Fixtures.Load(golden);
        golden["model"]!["merges"] = new JsonArray(
            [.. golden["model"]!["merges"]!.AsArray().Select(merge =>
                (JsonNode)new JsonArray(
                    [.. ((string)merge!).Split(' ').Select(part => JsonValue.Create(part))]))]);
        const string Text = "The quick brown fox thinks through 1234.";
        Assert.Equal(asTexts.Encode(Text), Fixtures.Load(golden).Encode(Text));
    }

    [Fact]
    public void What_the_post_processor_puts_before_every_text_is_told_and_not_added()
    {
        var golden = Fixtures.Golden()["tokenizer"]!;
        golden["post_processor"] = JsonNode.Parse("""
            {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "<|im_start|>"}}, {"Sequence": {"id": "A"}},
                        {"SpecialToken": {"id": "<|im_end|>"}}]}]}
            """);
        var tokenizer = Fixtures.Load(golden);
        Assert.True(tokenizer.TryGetId("<|im_start|>", out var begin));
        Assert.Equal([begin], tokenizer.PrefixIds);
        Assert.DoesNotContain(begin, tokenizer.Encode("Hi"));
    }

    [Theory]
    [InlineData("model.type", "\"Unigram\"", "model.type is Unigram")]
    [InlineData("model.byte_fallback", "true", "model.byte_fallback is true")]
    [InlineData("model.end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix is set")]
    [InlineData("model.merges", "[[1, 2]]", "model.merges[0] is not a pair of tokens")]
    [InlineData("model.vocab", "{\"a\": -1}", "model.vocab gives \"a\" no id (a whole number from 0 and below 16777216)")]
    [InlineData("model.vocab", "{\"a\": 2147483647}", "model.vocab gives \"a\" no id")]
    [InlineData("added_tokens", "[{\"id\": 4294967296, \"content\": \"a\"}]", "added_tokens[0] lacks its content or its id")]
    [InlineData("model.merges", "[\"a\"]", "model.merges[0] is not a pair of tokens")]
    [InlineData("model.merges", "[\"0 Ā\"]", "model.merges do not fit model.vocab")]
    [InlineData("model.vocab", "{\"a\": \"x\"}", "model.vocab gives \"a\" no id")]
    [InlineData("normalizer", "{\"type\": \"NFKC\"}", "normalizer.type is NFKC")]
    [InlineData("pre_tokenizer", "{\"type\": \"Metaspace\"}", "pre_tokenizer.type is Metaspace")]
    [InlineData("pre_tokenizer", "{\"type\": \"Digits\"}", "pre_tokenizer has no ByteLevel stage")]
    [InlineData("pre_tokenizer", "null", "pre_tokenizer is missing")]
    [InlineData("decoder", "{\"type\": \"WordPiece\"}", "decoder.type is WordPiece")]
    [InlineData("added_tokens", "[{\"id\": 3}]", "added_tokens[0] lacks its content or its id")]
    public void What_is_not_supported_is_refused_by_file_and_key(string key, string value, string complaint)
    {
        var golden = Fixtures.Golden()["tokenizer"]!;
        var path = key.Split('.');
        var parent = path.Length == 1 ? golden : golden[path[0]]!;
        parent[path[^1]] = JsonNode.Parse(value);
        var wrong = Assert.Throws<InvalidDataException>(() => Fixtures.Load(golden));
        Assert.Contains($"tokenizer.json: {complaint}", wrong.Message);
    }

    [Theory]
    [InlineData("""{"Regex": "\\w+"}""", "Isolated", "pre_tokenizer.pattern uses \\w")]
    [InlineData("""{"Regex": "a?+b"}""", "Isolated", "pre_tokenizer.pattern is not a regular expression")]
    [InlineData("""{"Regex": "a"}""", "Contiguous", "pre_tokenizer.behavior is Contiguous")]
    public void A_split_that_would_cut_elsewhere_is_refused(string pattern, string behavior, string complaint)
    {
        var golden = Fixtures.Golden()["tokenizer"]!;
        golden["pre_tokenizer"] = Split(JsonNode.Parse(pattern)!, behavior);
        Assert.Contains(complaint, Assert.Throws<InvalidDataException>(() => Fixtures.Load(golden)).Message);
    }

    [Fact]
    public void A_pattern_that_would_backtrack_without_end_ends()
    {
        var tokenizer = WithPattern("(1+)+$");
        var text = new string('1', 5000) + "!";
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
    }

    [Fact]
    public void A_pattern_that_must_backtrack_and_takes_too_long_is_named()
    {
        var tokenizer = WithPattern("(?=1)(1+)+$");
        var wrong = Assert.Throws<ArgumentException>(() => tokenizer.Encode(new string('1', 50) + "!"));
        Assert.Contains("tokenizer.json: pre_tokenizer: the pattern (?=1)(1+)+$ was not matched within 2 s", wrong.Message);
    }

    [Fact]
    public void A_text_is_not_encoded_to_its_end_when_it_is_cancelled() =>
        Assert.Throws<OperationCanceledException>(
            () => Fixtures.Arithmetic.Encode("1+2=", new CancellationToken(canceled: true)));

    [Fact]
    public void A_word_that_would_take_minutes_to_merge_is_refused() => Assert.Contains(
        "the text has a word of 131073 characters, expected at most 131072",
        Assert.Throws<ArgumentException>(() => Fixtures.Variant("gpt2").Encode(new string('a', 131_073))).Message);

    [Fact]
    public void A_token_that_the_model_has_no_row_for_is_refused_with_its_id()
    {
        using var folder = new TemporaryFolder(("tokenizer.json", Fixtures.Golden()["tokenizer"]!.ToJsonString()));
        var all = HuggingFaceTokenizer.Load(folder.Path);
        Assert.True(all.TryGetId("<|im_end|>", out var end));
        var some = HuggingFaceTokenizer.Load(folder.Path, modelVocabulary: end);

        Assert.Equal(all.Encode("Hi"), some.Encode("Hi"));
        var wrong = Assert.Throws<ArgumentException>(() => some.Encode("Hi<|im_end|>"));
        Assert.Contains(
            $"tokenizer.json: the token \"<|im_end|>\" has the id {end}, but the model's ids end at {end - 1}", wrong.Message);
    }

    [Theory]
    [InlineData("models/arithmetic", "12+34=", 16)]
    [InlineData("models/keyword", "abc xyz", 29)]
    [InlineData("models/countdown", "3 5 = 15\n5*3=15\n<answer>5*3</answer>", 24)]
    public void The_models_of_the_repository_have_the_vocabulary_that_they_say(string folder, string text, int vocabulary)
    {
        folder = TestFiles.Repository(folder);
        var tokenizer = HuggingFaceTokenizer.Load(folder);
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        Assert.Equal(vocabulary, tokenizer.VocabularySize);
        Assert.Equal(vocabulary, config.RootElement.GetProperty("vocab_size").GetInt32());
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text + "<eos>")));
        Assert.True(tokenizer.IsSpecial(0));
    }

    [Theory]
    [InlineData("{\n\"\\ud800\": 1}")]
    [InlineData("{\n\"a\": [\"\\uDC00\"]}")]
    public void Half_of_a_surrogate_pair_in_a_key_or_text_is_refused_with_its_line(string json)
    {
        using var folder = new TemporaryFolder(("tokenizer.json", json));
        var wrong = Assert.Throws<InvalidDataException>(() => HuggingFaceTokenizer.Load(folder.Path));
        Assert.EndsWith(
            "tokenizer.json:2: escapes one half of a surrogate pair (\\uD800 to \\uDFFF) without the other", wrong.Message);
    }

    [Fact]
    public void A_folder_without_a_tokenizer_and_a_broken_file_are_named()
    {
        using var folder = new TemporaryFolder();
        Assert.EndsWith(
            "tokenizer.json: no such file",
            Assert.Throws<InvalidDataException>(() => HuggingFaceTokenizer.Load(folder.Path)).Message);
        folder.Write("tokenizer.json", "{\n\n\"model\": ]");
        Assert.EndsWith(
            "tokenizer.json:3: not valid JSON",
            Assert.Throws<InvalidDataException>(() => HuggingFaceTokenizer.Load(folder.Path)).Message);
    }

    private static HuggingFaceTokenizer WithPattern(string pattern)
    {
        var golden = Fixtures.Golden()["tokenizer"]!;
        golden["pre_tokenizer"] = new JsonObject
        {
            ["type"] = "Sequence",
            ["pretokenizers"] = new JsonArray(
                Split(new JsonObject { ["Regex"] = pattern }, "Isolated"),
                new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = false }),
        };
        return Fixtures.Load(golden);
    }

    private static JsonObject Split(JsonNode pattern, string behavior) => new()
    {
        ["type"] = "Split",
        ["pattern"] = pattern,
        ["behavior"] = behavior,
        ["invert"] = false,
    };

    private static int[] Ints(JsonNode list) => [.. list.AsArray().Select(id => (int)id!)];
}
