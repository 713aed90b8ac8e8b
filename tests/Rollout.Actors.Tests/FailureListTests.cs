using System.Text.RegularExpressions;
using Xunit;

namespace Rollout.Actors.Tests;

/// <summary>docs/failures.md names tests: each of them exists, in any of the repository's test projects.</summary>
public sealed partial class FailureListTests
{
    [Fact]
    public void Every_test_that_the_list_of_failures_names_exists()
    {
        var root = Root();
        var sources = Directory.EnumerateFiles(Path.Combine(root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(file => Path.GetFileNameWithoutExtension(file), File.ReadAllText);
        var named = Named().Matches(File.ReadAllText(Path.Combine(root, "docs", "failures.md")));

        Assert.True(named.Count > 60, $"only {named.Count} tests are named: the list is written otherwise");
        Assert.DoesNotContain(named, name => !sources[name.Groups["class"].Value].Any(
            source => source.Contains($" {name.Groups["test"].Value}(", StringComparison.Ordinal)));
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Rollout.Actors.sln")))
            folder = folder.Parent;
        Assert.True(folder is not null, "the tests run outside the repository: its documents can't be read");
        return folder.FullName;
    }

    [GeneratedRegex(@"`(?<class>\w+Tests)\.(?<test>\w+)`")]
    private static partial Regex Named();
}
