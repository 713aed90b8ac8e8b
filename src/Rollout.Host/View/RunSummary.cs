using Rollout.Host.Tracking;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rollout.Host.View;

/// <summary>The results of a run as a table, printed at its end.</summary>
internal static class RunSummary
{
    /// <param name="reports">The finished steps in order.</param>
    /// <param name="starts">The accuracies before the first step of the run, or of this process.</param>
    public static IRenderable Render(IReadOnlyList<StepMetrics> reports, params IEnumerable<HeldOutAccuracy> starts)
    {
        if (reports.Count == 0)
            return new Text("No training step was finished.");
        var table = new Table().RoundedBorder()
            .AddColumn(Figures.Count(reports.Count, "training step"))
            .AddColumn(new TableColumn("first").RightAligned())
            .AddColumn(new TableColumn("last").RightAligned())
            .AddColumn(new TableColumn("best").RightAligned());

        var best = reports.MaxBy(report => report[Metrics.Reward])!;
        table.AddRow("mean reward", $"{reports[0][Metrics.Reward]:0.000}", $"{reports[^1][Metrics.Reward]:0.000}",
            $"{best[Metrics.Reward]:0.000} (step {best.Step})");
        if (HeldOutAccuracy.All(starts, reports) is { Count: > 0 } measured)
        {
            table.AddRow("held-out accuracy", $"{measured[0].Share:0.000}", $"{measured[^1].Share:0.000}",
                $"{measured.MaxBy(one => one.Share)}");
        }
        AddRate(table, "rollout tok/s", reports, report => report[Metrics.RolloutRate]);
        AddRate(table, "training tok/s", reports, report => report[Metrics.TrainRate]);
        table.AddRow(
            "completion length", $"{reports[0][Metrics.MeanLength]:0.0}", $"{reports[^1][Metrics.MeanLength]:0.0}", "");
        return new Rows(table, new Text(
            $"{Figures.Elapsed(TimeSpan.FromSeconds(reports.Sum(report => report[Metrics.StepSeconds])))} in all; "
            + $"{Difference(reports)}; "
            + Skipped(reports)
            + $"{Figures.Count(reports.Sum(report => report[Metrics.FailedGroups]), "failed group")}, "
            + $"{Figures.Count(reports.Sum(report => report[Metrics.Preemptions]), "preemption")}."));
    }

    private static void AddRate(
        Table table, string name, IReadOnlyList<StepMetrics> reports, Func<StepMetrics, double> rate) =>
        table.AddRow(name, $"{rate(reports[0]):#,0}", $"{rate(reports[^1]):#,0}", $"{reports.Max(rate):#,0}");

    /// <summary>How many updates were skipped; nothing where none was.</summary>
    private static string Skipped(IReadOnlyList<StepMetrics> reports) =>
        reports.Sum(report => report.Find(Metrics.SkippedUpdates) ?? 0) is > 0 and var skipped
            ? $"{Figures.Count(skipped, "skipped update")}, "
            : "";

    /// <summary>The largest difference, NaN if that of a step is NaN, and the number of steps with such a metric.</summary>
    private static string Difference(IReadOnlyList<StepMetrics> reports)
    {
        var compared = reports.Select(report => report.Find(Metrics.LogprobDifferenceMax)).OfType<double>().ToArray();
        var largest = compared.Length > 0
            // Math.Max keeps NaN, which Enumerable.Max leaves out.
            ? $"log-probability difference at most {compared.Aggregate(Math.Max):0.0e+0}"
            : "no log-probability was compared";
        var broken = reports.Count(report => !report.AreFinite);
        return broken == 0 ? largest : $"{largest}; {Figures.Count(broken, "step")} with NaN or infinite metrics";
    }
}
