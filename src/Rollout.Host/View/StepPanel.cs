using Rollout.Host.Tracking;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rollout.Host.View;

/// <summary>Renders the latest training step as the panel of the live view.</summary>
internal static class StepPanel
{
    /// <param name="run">The finished steps.</param>
    /// <param name="steps">Training steps of the run.</param>
    public static IRenderable Render(RunTotals run, int steps)
    {
        // Where nothing is held out, nothing is promised.
        var measured = run.LastAccuracy;
        var rows = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn(new GridColumn());
        if (run.Last is not { } now)
        {
            AddAccuracy(rows, measured);
            return Frame("rollout", new Text("No training step is finished yet."), rows);
        }
        AddRow(rows, "reward", $"[bold]{Figures.Reward(now)}[/]");
        AddAccuracy(rows, measured);
        AddRow(rows, "rollout", $"{Figures.Rate(now[Metrics.RolloutRate])}, {now[Metrics.RolloutSeconds]:0.0} s");
        AddRow(rows, "training", $"{Figures.Rate(now[Metrics.TrainRate])}, {now[Metrics.TrainSeconds]:0.0} s");
        AddRow(rows, "completion length", Figures.Length(now));
        AddRow(rows, "update", $"loss {now[Metrics.Loss]:0.0000}, gradient norm {now[Metrics.GradientNorm]:0.00}, kl {Figures.Number(now, Metrics.Kl, "0.0000")}, "
            + $"clipped {Figures.Clip(now)}, learning rate {now[Metrics.LearningRate]:0.0e+0}");
        AddRow(rows, "kv blocks",
            $"{Figures.Blocks(now)}, shared {Figures.Sharing(now)}, {Figures.Count(now[Metrics.Preemptions], "preemption")}");
        AddRow(rows, "logprob difference", Figures.LogprobDifference(now));
        AddRow(rows, "groups", $"{now[Metrics.EqualRewards]:0.0%} with equal rewards, {Dropped(now)}{Failed(now)}");
        AddRow(rows, "time", $"{now[Metrics.StepSeconds]:0.0} s a step, {Figures.Duration(run.TimeLeft(steps))} left");
        return Frame(
            $"step {now.Step}/{steps}, policy {now[Metrics.PolicyVersion]}", new Markup(Figures.Bar(now.Step, steps)), rows);
    }

    private static void AddAccuracy(Grid rows, HeldOutAccuracy? measured)
    {
        if (measured is not null)
            AddRow(rows, "held-out accuracy", $"[bold]{measured.Share:0.000}[/] ({measured.At})");
    }

    private static Panel Frame(string header, IRenderable first, Grid rows) =>
        new Panel(new Rows(first, rows)).Header(header).RoundedBorder().Expand();

    private static void AddRow(Grid grid, string label, string value) =>
        grid.AddRow(new Text(label, new Style(decoration: Decoration.Dim)), new Markup(value));

    private static string Dropped(StepMetrics report) => report[Metrics.DroppedGroups] > 0
        ? $"{report[Metrics.DrawnGroups]} drawn, {report[Metrics.DroppedGroups]} dropped, "
        : "";

    private static string Failed(StepMetrics report) =>
        report[Metrics.FailedGroups] > 0 ? $"[red]{report[Metrics.FailedGroups]} failed[/]" : "none failed";
}
