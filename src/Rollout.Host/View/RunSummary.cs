using Rollout.Host.Tracking;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rollout.Host.View;

/// <summary>The results of a run as a table, printed at its end.</summary>
internal static class RunSummary
{
    public static IRenderable Render(RunTotals run)
    {
        if (run is not { First: { } first, Last: { } last, Best: { } best })
            return new Text("No training step was finished.");
        var table = new Table().RoundedBorder()
            .AddColumn(Figures.Count(run.Count, "training step"))
            .AddColumn(new TableColumn("first").RightAligned())
            .AddColumn(new TableColumn("last").RightAligned())
            .AddColumn(new TableColumn("best").RightAligned());

        table.AddRow("mean reward", $"{first[Metrics.Reward]:0.000}", $"{last[Metrics.Reward]:0.000}",
            $"{best[Metrics.Reward]:0.000} (step {best.Step})");
        if (run is { FirstAccuracy: { } start, LastAccuracy: { } end, BestAccuracy: { } highest })
            table.AddRow("held-out accuracy", $"{start.Share:0.000}", $"{end.Share:0.000}", $"{highest}");
        table.AddRow("rollout tok/s", $"{first[Metrics.RolloutRate]:#,0}", $"{last[Metrics.RolloutRate]:#,0}",
            $"{run.BestRolloutRate:#,0}");
        table.AddRow("training tok/s", $"{first[Metrics.TrainRate]:#,0}", $"{last[Metrics.TrainRate]:#,0}",
            $"{run.BestTrainRate:#,0}");
        table.AddRow("completion length", $"{first[Metrics.MeanLength]:0.0}", $"{last[Metrics.MeanLength]:0.0}", "");
        return new Rows(table, new Text(
            $"{Figures.Elapsed(TimeSpan.FromSeconds(run.Seconds))} in all; "
            + $"{Difference(run)}; "
            + (run.SkippedUpdates > 0 ? $"{Figures.Count(run.SkippedUpdates, "skipped update")}, " : "")
            + $"{Figures.Count(run.FailedGroups, "failed group")}, "
            + $"{Figures.Count(run.Preemptions, "preemption")}."));
    }

    /// <summary>The largest difference, and the number of steps with a metric that is no number.</summary>
    private static string Difference(RunTotals run)
    {
        var largest = run.LargestDifference is { } difference
            ? $"log-probability difference at most {difference:0.0e+0}"
            : "no log-probability was compared";
        return run.BrokenSteps == 0
            ? largest
            : $"{largest}; {Figures.Count(run.BrokenSteps, "step")} with NaN or infinite metrics";
    }
}
