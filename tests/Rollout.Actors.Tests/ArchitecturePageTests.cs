using System.Text.RegularExpressions;
using Xunit;

namespace Rollout.Actors.Tests;

/// <summary>docs/architecture.md leads through the code: what it names exists.</summary>
public sealed partial class ArchitecturePageTests
{
    private static readonly string Page = File.ReadAllText(TestFiles.Repository("docs/architecture.md"));

    [Fact]
    public void Every_file_that_the_page_links_to_exists()
    {
        var links = Link().Matches(Page).Select(link => link.Groups["path"].Value).ToArray();

        Assert.True(links.Length > 30, $"only {links.Length} links: the page is written otherwise");
        Assert.DoesNotContain(links, link => !File.Exists(Path.Combine(TestFiles.Repository("docs"), link)));
    }

    [Fact]
    public void Every_method_that_the_page_names_is_in_its_types_file()
    {
        var sources = Directory.EnumerateFiles(TestFiles.Repository("src"), "*.cs", SearchOption.AllDirectories)
            .ToLookup(file => Path.GetFileName(file).Split('.')[0], File.ReadAllText);
        var named = Method().Matches(Page);

        Assert.True(named.Count > 25, $"only {named.Count} methods are named: the page is written otherwise");
        Assert.DoesNotContain(named, name => !sources[name.Groups["type"].Value].Any(
            source => source.Contains($" {name.Groups["method"].Value}(", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_rollout_passes_at_most_40_files_and_5000_lines_before_it_is_trained_on()
    {
        var tables = Page[Page.IndexOf("**Out, ", StringComparison.Ordinal)..Page.IndexOf("Before and after row 18", StringComparison.Ordinal)];
        var files = tables.Split('\n')
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.Contains("GPU: "))     // the other device's row
            .SelectMany(line => Link().Matches(line))
            .Select(link => link.Groups["path"].Value)
            .Distinct()
            .ToArray();

        Assert.InRange(files.Length, 30, 40);
        var lines = files.Sum(file => File.ReadLines(Path.Combine(TestFiles.Repository("docs"), file)).Count());
        Assert.True(lines <= 5000, $"the way has {lines} lines");
    }

    [GeneratedRegex(@"\]\((?<path>\.\./[^)]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`(?<type>[A-Z]\w+)\.(?<method>[A-Z]\w+)`")]
    private static partial Regex Method();
}
