using System.Text.Json.Nodes;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

/// <summary>A test of Qwen3's own tokenizer, skipped where its files are not at hand.</summary>
public sealed class QwenFactAttribute : FactAttribute
{
    public QwenFactAttribute()
    {
        Skip = TestFiles.WhyMissing("fixtures/qwen3-tokenizer");
    }
}

/// <summary>Files that tests read, and folders that they write.</summary>
internal static class Fixtures
{
    private static readonly Lazy<HuggingFaceTokenizer> QwenTokenizer =
        new(() => HuggingFaceTokenizer.Load(Qwen3!));

    /// <summary>The folder with Qwen3's tokenizer files, or null.</summary>
    public static string? Qwen3 { get; } = TestFiles.Shared("fixtures/qwen3-tokenizer");

    public static HuggingFaceTokenizer Qwen => QwenTokenizer.Value;

    public static HuggingFaceTokenizer Arithmetic { get; } =
        HuggingFaceTokenizer.Load(TestFiles.Repository("models/arithmetic"));

    /// <summary>
    /// A small byte-level vocabulary and what Hugging Face's tokenizers 0.23.2 gives for it under the
    /// settings of several model families, special tokens left out ("decoded") and kept ("whole").
    /// </summary>
    public static JsonNode Golden() => JsonNode.Parse(
        File.ReadAllText(TestFiles.Repository("tests/Rollout.Actors.Tests/Text/byte-level-golden.json")))!;

    /// <summary>The small vocabulary as one family uses it.</summary>
    public static HuggingFaceTokenizer Variant(string name)
    {
        var golden = Golden();
        var variant = golden["variants"]!.AsArray().Single(one => (string)one!["name"]! == name)!;
        var tokenizer = golden["tokenizer"]!;
        tokenizer["normalizer"] = variant["normalizer"]?.DeepClone();
        tokenizer["pre_tokenizer"] = variant["pre_tokenizer"]!.DeepClone();
        tokenizer["model"]!["ignore_merges"] = (bool)variant["ignore_merges"]!;
        return Load(tokenizer);
    }

    public static HuggingFaceTokenizer Load(JsonNode tokenizer)
    {
        using var folder = new TemporaryFolder(("tokenizer.json", tokenizer.ToJsonString()));
        return HuggingFaceTokenizer.Load(folder.Path);
    }
}
