using System.Text.RegularExpressions;
using Rollout.Gpu.Contracts;
using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;

namespace Rollout.Host.Tests.Tracking;

/// <summary>docs/metrics.md has a row for every name that the program writes, and none for another.</summary>
public sealed partial class MetricsPageTests
{
    private static readonly string[] Rows =
        [.. File.ReadLines(TestFiles.Repository("docs/metrics.md")).Where(line => line.StartsWith("| `", StringComparison.Ordinal))];

    private static readonly string[] Documented = [.. Rows.Select(row => Name().Match(row).Groups[1].Value)];

    [Fact]
    public void Every_name_that_is_written_is_on_the_page_and_the_reverse()
    {
        var trained = FinishedSteps.Of(1, FinishedSteps.Group(7, (1, 2, FinishReason.Stop), (3, 6, FinishReason.Stop)) with
        {
            ByFunction = [new("format", [1, 3])],
        });
        trained = trained with { Train = trained.Train with { Ratios = new BucketCounts(1, 1, 1, [1], [1]) } };
        var record = StepRecord.Of(trained with { Evaluation = Evaluations.OfTwoSets() }, tokensBefore: 0);
        string[] written =
        [
            .. Metrics.All.Select(metric => metric.Name).Union(record.Metrics.Values.Keys),
            .. record.Histograms.Keys,
            .. record.Counts.Keys,
            .. record.Texts.Keys,
        ];
        var fit = new SupervisedFit(1, 1, 1);
        var supervised = SftMetrics.Of(1, new SupervisedStep(fit, 1, 1), epoch: 1, tokens: 1, seconds: 1, heldOut: fit);
        written = [.. written, .. supervised.Values.Keys.Except(written)];

        Assert.Equal([], written.Where(name => !Documented.Any(pattern => Matches(pattern, name))));
        Assert.Equal([], Documented.Where(pattern => !written.Any(name => Matches(pattern, name))));
        Assert.Equal(Documented.Distinct(), Documented);
        Assert.Equal(written.Distinct(), written);
    }

    [Fact]
    public void Every_row_has_unit_definition_and_the_names_that_TRL_and_verl_use() =>
        Assert.All(Rows, row =>
        {
            var cells = row.Replace(@"\|", "", StringComparison.Ordinal).Split('|')[1..^1];
            Assert.True(cells.Length == 5 && cells.All(cell => cell.Trim().Length > 0), row);
        });

    /// <summary>A part in angle brackets stands for any name without a slash.</summary>
    private static bool Matches(string pattern, string name) =>
        Regex.IsMatch(name, $"^{Placeholder().Replace(pattern, "[^/]+")}$");

    [GeneratedRegex("^[|] `([^`]+)`")]
    private static partial Regex Name();

    [GeneratedRegex("<[a-z]+>")]
    private static partial Regex Placeholder();
}
