using Xunit;

namespace Rollout.Gpu.Tests.Support;

/// <summary>Reference checkpoints and their golden outputs, which do not travel with the repository.</summary>
internal static class SharedFixtures
{
    /// <summary>The folder of one fixture; skips the calling test where it is absent.</summary>
    public static string Require(string name)
    {
        var path = $"fixtures/{name}";
        if (TestFiles.WhyMissing(path) is { } why)
            Assert.Skip(why);
        return TestFiles.Shared(path)!;
    }
}
