using System.Text.Json.Nodes;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

/// <summary>A test of Qwen3's own tokenizer, skipped where its files are not at hand.</summary>
public sealed class QwenFactAttribute : FactAttribute
{
    public QwenFactAttribute()
    {
        if (Fixtures.Qwen3 is null)
            Skip = "needs fixtures/qwen3-tokenizer in ROLLOUT_SHARED or in shared/ beside the repository";
    }
}

/// <summary>Files that tests read, and folders that they write.</summary>
internal static class Fixtures
{
    private static readonly Lazy<HuggingFaceTokenizer> QwenTokenizer =
        new(() => HuggingFaceTokenizer.Load(Qwen3!));

    /// <summary>The folder with Qwen3's tokenizer files, or null.</summary>
    public static string? Qwen3 { get; } = Shared("qwen3-tokenizer");

    public static HuggingFaceTokenizer Qwen => QwenTokenizer.Value;

    public static HuggingFaceTokenizer Arithmetic { get; } =
        HuggingFaceTokenizer.Load(Repository("models/arithmetic"));

    /// <summary>
    /// A small byte-level vocabulary and what Hugging Face's tokenizers 0.23.2 gives for it under the
    /// settings of several model families, special tokens left out ("decoded") and kept ("whole").
    /// </summary>
    public static JsonNode Golden() => JsonNode.Parse(
        File.ReadAllText(Repository("tests/Rollout.Actors.Tests/Text/byte-level-golden.json")))!;

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
        using var folder = new ModelFolder(("tokenizer.json", tokenizer.ToJsonString()));
        return HuggingFaceTokenizer.Load(folder.Path);
    }

    /// <summary>A path in the source tree.</summary>
    public static string Repository(string path) => Path.Combine(
        Ancestors().First(folder => File.Exists(Path.Combine(folder, "Rollout.Actors.sln"))), path);

    private static string? Shared(string name) =>
        Ancestors().Select(folder => Path.Combine(folder, "shared"))
            .Prepend(Environment.GetEnvironmentVariable("ROLLOUT_SHARED") ?? "")
            .Select(shared => Path.Combine(shared, "fixtures", name))
            .FirstOrDefault(Directory.Exists);

    private static IEnumerable<string> Ancestors()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        for (; folder is not null; folder = folder.Parent)
            yield return folder.FullName;
    }
}

/// <summary>A temporary folder with the given files, gone when disposed.</summary>
internal sealed class ModelFolder : IDisposable
{
    public ModelFolder(params (string Name, string Text)[] files)
    {
        foreach (var (name, text) in files)
            Write(name, text);
    }

    public string Path { get; } = Directory.CreateTempSubdirectory("rollout-test-").FullName;

    public string Write(string name, string text)
    {
        var path = System.IO.Path.Combine(Path, name);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
