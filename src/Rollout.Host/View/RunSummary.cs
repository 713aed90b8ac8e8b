using Rollout.Host.Output;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rollout.Host.View;

/// <summary>What a run came to, as a table for its end.</summary>
public static class RunSummary
{
    /// <param name="reports">The steps in order; of a run without any, one sentence.</param>
    public static IRenderable Render(IReadOnlyList<StepReport> reports)
    {
        if (reports.Count == 0)
            return new Text("No training step was finished.");
        var table = new Table().RoundedBorder().AddColumn($"{reports.Count} training steps");
        foreach (var column in (string[])["first", "last", "best"])
            table.AddColumn(new TableColumn(column).RightAligned());

        var best = reports.MaxBy(report => report.RewardMean)!;
        table.AddRow("mean reward", $"{reports[0].RewardMean:0.000}", $"{reports[^1].RewardMean:0.000}",
            $"{best.RewardMean:0.000} (step {best.Step})");
        StepReport[] evaluated = [.. reports.Where(report => report.HeldOutAccuracy is not null)];
        if (evaluated.Length > 0)
        {
            var right = evaluated.MaxBy(report => report.HeldOutAccuracy)!;
            table.AddRow("held-out accuracy", Figures.Accuracy(evaluated[0].HeldOutAccuracy),
                Figures.Accuracy(evaluated[^1].HeldOutAccuracy),
                $"{Figures.Accuracy(right.HeldOutAccuracy)} (step {right.Step})");
        }

        Pace(table, "rollout tok/s", reports, report => report.RolloutTokensPerSecond);
        Pace(table, "training tok/s", reports, report => report.TrainTokensPerSecond);
        Pace(table, "completion length", reports, report => report.MeanCompletionLength, "0.0", best: null);
        return new Rows(table, new Text(
            $"{Figures.Duration(TimeSpan.FromSeconds(reports.Sum(report => report.TotalSeconds)))} in all; "
            + $"log-probability difference at most {reports.Max(report => report.LogprobDifferenceMax):0.0e+0}{Broken(reports)}; "
            + $"{reports.Sum(report => report.FailedGroups)} failed groups, "
            + $"{reports.Sum(report => report.Preemptions)} preemptions."));
    }

    /// <summary>Steps that a maximum leaves out: a metric of theirs is NaN or infinite.</summary>
    private static string Broken(IReadOnlyList<StepReport> reports)
    {
        var count = reports.Count(report => !report.HasFiniteMetrics());
        return count == 0 ? "" : $", without {count} of {reports.Count} steps that have a metric which is no number";
    }

    private static void Pace(Table table, string name, IReadOnlyList<StepReport> reports, Func<StepReport, double> value) =>
        Pace(table, name, reports, value, "#,0", reports.Max(value));

    private static void Pace(
        Table table, string name, IReadOnlyList<StepReport> reports, Func<StepReport, double> value, string format,
        double? best) =>
        table.AddRow(name, value(reports[0]).ToString(format), value(reports[^1]).ToString(format),
            best?.ToString(format) ?? "");
}
