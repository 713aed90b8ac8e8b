namespace Rollout.Tests.Support;

/// <summary>
/// Where tests find files: the repository itself, and shared/ with reference checkpoints and golden outputs, which does
/// not travel with the repository. A test that needs shared/ skips where it is absent.
/// </summary>
public static class TestFiles
{
    /// <summary>The path of a file or folder of the repository.</summary>
    public static string Repository(string path) => Path.Combine(
        Above(AppContext.BaseDirectory).First(folder => File.Exists(Path.Combine(folder, "Rollout.Actors.sln"))), path);

    /// <summary>
    /// The path of a file or folder in the folder that ROLLOUT_SHARED names, or in shared/ beside the repository; null
    /// where it is absent.
    /// </summary>
    public static string? Shared(string path)
    {
        var roots = Environment.GetEnvironmentVariable("ROLLOUT_SHARED") is { Length: > 0 } named
            ? [named]
            : Above(AppContext.BaseDirectory).Select(folder => Path.Combine(folder, "shared"));
        return roots.Select(root => Path.Combine(root, path)).FirstOrDefault(Path.Exists);
    }

    /// <summary>Why a test that needs these files of shared/ is skipped; null where all of them are there.</summary>
    public static string? WhyMissing(params string[] paths) =>
        Array.Find(paths, path => Shared(path) is null) is { } missing
            ? $"needs {missing} in shared/ beside the repository, or in the folder that ROLLOUT_SHARED names"
            : null;

    private static IEnumerable<string> Above(string path)
    {
        for (var folder = new DirectoryInfo(path); folder is not null; folder = folder.Parent)
            yield return folder.FullName;
    }
}
