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
    [InlineData("""{"Regex": "a?+b"}""", "Isolated", "pre_tokenizer.pattern is no regular expression")]
    [InlineData("""{"Regex": "a"}""", "Contiguous", "pre_tokenizer.behavior is Contiguous")]
    public void A_split_that_would_cut_elsewhere_is_refused(string pattern, string behavior, string complaint)
    {
        var golden = Fixtures.Golden()["tokenizer"]!;
        golden["pre_tokenizer"] = new JsonObject
        {
            ["type"] = "Split",
            ["pattern"] = JsonNode.Parse(pattern),
            ["behavior"] = behavior,
            ["invert"] = false,
        };
        Assert.Contains(complaint, Assert.Throws<InvalidDataException>(() => Fixtures.Load(golden)).Message);
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

    private static int[] Ints(JsonNode list) => [.. list.AsArray().Select(id => (int)id!)];
}
