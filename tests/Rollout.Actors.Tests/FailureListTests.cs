using System.Text.RegularExpressions;
using Xunit;

namespace Rollout.Actors.Tests;

/// <summary>docs/failures.md names tests: each of them exists, in any of the repository's test projects.</summary>
public sealed partial class FailureListTests
{
    [Fact]
    public void Every_test_that_the_list_of_failures_names_exists()
    {
        var sources = Directory.EnumerateFiles(TestFiles.Repository("tests"), "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(file => Path.GetFileNameWithoutExtension(file), File.ReadAllText);
        var named = Named().Matches(File.ReadAllText(TestFiles.Repository("docs/failures.md")));

        Assert.True(named.Count > 60, $"only {named.Count} tests are named: the list is written otherwise");
        Assert.DoesNotContain(named, name => !sources[name.Groups["class"].Value].Any(
            source => source.Contains($" {name.Groups["test"].Value}(", StringComparison.Ordinal)));
    }

    [GeneratedRegex(@"`(?<class>\w+Tests)\.(?<test>\w+)`")]
    private static partial Regex Named();
}
