using Xunit;

namespace Rollout.Gpu.Tests.Support;

/// <summary>
/// Reference checkpoints and their golden outputs, which do not travel with the repository: in the folder
/// that ROLLOUT_SHARED names, or in shared/ beside (or inside) a folder above the tests.
/// </summary>
internal static class SharedFixtures
{
    /// <summary>The folder of one fixture; skips the calling test where it isn't there.</summary>
    public static string Require(string name)
    {
        var folder = Find(name);
        Assert.SkipWhen(folder is null,
            $"shared/fixtures/{name} is not on this machine (ROLLOUT_SHARED may name shared/).");
        return folder;
    }

    private static string? Find(string name)
    {
        if (Environment.GetEnvironmentVariable("ROLLOUT_SHARED") is { Length: > 0 } shared)
            return Existing(Path.Combine(shared, "fixtures", name));

        for (var above = new DirectoryInfo(AppContext.BaseDirectory); above is not null; above = above.Parent)
        {
            if (Existing(Path.Combine(above.FullName, "shared", "fixtures", name)) is { } found)
                return found;
        }

        return null;
    }

    private static string? Existing(string folder) => Directory.Exists(folder) ? folder : null;
}
