using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Xunit;

namespace Rollout.Host.Tests.Support;

/// <summary>A test that needs files which do not travel with the repository; skipped where they are absent.</summary>
public sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute(params string[] paths) => Skip = SharedFixtures.WhyNot(paths);
}

/// <inheritdoc cref="SharedFactAttribute"/>
public sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute(params string[] paths) => Skip = SharedFixtures.WhyNot(paths);
}

/// <summary>The folder that ROLLOUT_SHARED names, or shared/ beside a folder above the tests.</summary>
internal static class SharedFixtures
{
    /// <summary>Checkpoints with golden.json.</summary>
    public static readonly string[] Models = ["tiny-qwen3", "tiny-qwen2", "tiny-llama3", "stories260K"];

    /// <summary>The path of something in the folder, or null.</summary>
    public static string? Find(string path) => Ancestors(AppContext.BaseDirectory)
        .Select(folder => Path.Combine(folder, "shared"))
        .Prepend(Environment.GetEnvironmentVariable("ROLLOUT_SHARED") ?? "")
        .Select(shared => Path.Combine(shared, path))
        .FirstOrDefault(Path.Exists);

    public static string? WhyNot(string[] paths) =>
        (paths is [] ? [.. Models.Select(model => $"fixtures/{model}")] : paths).FirstOrDefault(path => Find(path) is null)
            is { } missing
            ? $"needs {missing} in ROLLOUT_SHARED or in shared/ beside the repository"
            : null;

    /// <summary>A path in the source tree.</summary>
    public static string Repository(string path) => Path.Combine(
        Ancestors(AppContext.BaseDirectory).First(folder => File.Exists(Path.Combine(folder, "Rollout.Actors.sln"))), path);

    /// <summary>
    /// A golden checkpoint's configuration. tiny-qwen3's outputs were computed with a RoPE base of 10,000, and its
    /// config.json says 1,000,000, which transformers 5.17 would use too: the base is set to the one of the outputs.
    /// </summary>
    public static ModelConfig GoldenConfig(string model)
    {
        var config = ModelConfigReader.ReadFolder(Find($"fixtures/{model}")!);
        return model == "tiny-qwen3" ? config with { Rope = config.Rope with { Theta = 10_000 } } : config;
    }

    private static IEnumerable<string> Ancestors(string path)
    {
        for (var folder = new DirectoryInfo(path); folder is not null; folder = folder.Parent)
            yield return folder.FullName;
    }
}
