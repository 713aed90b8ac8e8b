using Rollout.Host.Output;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rollout.Host.View;

/// <summary>The latest training step as a panel, which the live view draws in place.</summary>
public static class StepPanel
{
    private const int BarWidth = 40;

    /// <summary>Of a run that has finished no step yet.</summary>
    public static IRenderable Waiting { get; } =
        new Panel(new Text("The first step is under way.")).Header("rollout").RoundedBorder().Expand();

    /// <param name="reports">The steps so far, at least one, the latest last.</param>
    public static IRenderable Render(IReadOnlyList<StepReport> reports)
    {
        var now = reports[^1];
        var evaluated = reports.LastOrDefault(report => report.HeldOutAccuracy is not null);
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn(new GridColumn());
        Row(grid, "reward", $"[bold]{Figures.Reward(now)}[/]");
        Row(grid, "held-out accuracy", evaluated is null
            ? "not evaluated yet"
            : $"[bold]{Figures.Accuracy(evaluated.HeldOutAccuracy)}[/] (step {evaluated.Step})");
        Row(grid, "rollout", $"{Figures.Rate(now.RolloutTokensPerSecond)}, {now.RolloutSeconds:0.0} s");
        Row(grid, "training", $"{Figures.Rate(now.TrainTokensPerSecond)}, {now.TrainSeconds:0.0} s");
        Row(grid, "completion length", Figures.Length(now));
        Row(grid, "update", $"loss {now.Loss:0.0000}, gradient norm {now.GradientNorm:0.00}, kl {now.Kl:0.0000}, "
            + $"clipped {Figures.Clip(now)}, learning rate {now.LearningRate:0.0e+0}");
        Row(grid, "kv blocks", $"{Figures.Blocks(now)}, shared {Figures.Sharing(now)}, {now.Preemptions} preemptions");
        Row(grid, "logprob difference", Figures.LogprobDifference(now));
        Row(grid, "groups", $"{now.EqualRewardGroups} with equal rewards, {Failed(now)}");
        Row(grid, "time", $"{now.TotalSeconds:0.0} s a step, {Figures.Duration(TimeLeft.Estimate(reports))} left");
        return new Panel(new Rows(new Markup(Bar(now)), grid))
            .Header($"step {now.Step}/{now.Steps}, policy {now.PolicyVersion}")
            .RoundedBorder()
            .Expand();
    }

    private static void Row(Grid grid, string label, string value) =>
        grid.AddRow(new Text(label, new Style(decoration: Decoration.Dim)), new Markup(value));

    private static string Failed(StepReport report) =>
        report.FailedGroups > 0 ? $"[red]{report.FailedGroups} failed[/]" : "none failed";

    private static string Bar(StepReport report)
    {
        var share = report.Steps > 0 ? Math.Clamp((double)report.Step / report.Steps, 0, 1) : 1;
        var filled = (int)Math.Round(share * BarWidth);
        return $"[green]{new string('=', filled)}[/][dim]{new string('-', BarWidth - filled)}[/] {share:0%}";
    }
}
