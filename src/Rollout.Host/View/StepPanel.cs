using Rollout.Host.Output;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rollout.Host.View;

/// <summary>Renders the latest training step as the panel of the live view.</summary>
internal static class StepPanel
{
    /// <param name="reports">The finished steps in order.</param>
    /// <param name="start">The accuracy before the first step of this process; null where it was not measured.</param>
    public static IRenderable Render(IReadOnlyList<StepReport> reports, HeldOutAccuracy? start = null)
    {
        var accuracy = HeldOutAccuracy.All(start, reports) is [.., var measured]
            ? $"[bold]{measured.Share:0.000}[/] ({measured.At})"
            : "not evaluated yet";
        var rows = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn(new GridColumn());
        if (reports is not [.., var now])
        {
            AddRow(rows, "held-out accuracy", accuracy);
            return Frame("rollout", new Text("The first step is under way."), rows);
        }
        AddRow(rows, "reward", $"[bold]{Figures.Reward(now)}[/]");
        AddRow(rows, "held-out accuracy", accuracy);
        AddRow(rows, "rollout", $"{Figures.Rate(now.RolloutTokensPerSecond)}, {now.RolloutSeconds:0.0} s");
        AddRow(rows, "training", $"{Figures.Rate(now.TrainTokensPerSecond)}, {now.TrainSeconds:0.0} s");
        AddRow(rows, "completion length", Figures.Length(now));
        AddRow(rows, "update", $"loss {now.Loss:0.0000}, gradient norm {now.GradientNorm:0.00}, kl {now.Kl:0.0000}, "
            + $"clipped {Figures.Clip(now)}, learning rate {now.LearningRate:0.0e+0}");
        AddRow(rows, "kv blocks",
            $"{Figures.Blocks(now)}, shared {Figures.Sharing(now)}, {Figures.Count(now.Preemptions, "preemption")}");
        AddRow(rows, "logprob difference", Figures.LogprobDifference(now));
        AddRow(rows, "groups", $"{now.EqualRewardGroups} with equal rewards, {Failed(now)}");
        AddRow(rows, "time", $"{now.TotalSeconds:0.0} s a step, {Figures.Duration(TimeLeft.Estimate(reports))} left");
        return Frame($"step {now.Step}/{now.Steps}, policy {now.PolicyVersion}", new Markup(Figures.Bar(now.Step, now.Steps)), rows);
    }

    private static Panel Frame(string header, IRenderable first, Grid rows) =>
        new Panel(new Rows(first, rows)).Header(header).RoundedBorder().Expand();

    private static void AddRow(Grid grid, string label, string value) =>
        grid.AddRow(new Text(label, new Style(decoration: Decoration.Dim)), new Markup(value));

    private static string Failed(StepReport report) =>
        report.FailedGroups > 0 ? $"[red]{report.FailedGroups} failed[/]" : "none failed";
}
