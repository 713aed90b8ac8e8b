using Rollout.Gpu.Weights;
using ScottPlot;

namespace Rollout.Host.Output;

/// <summary>
/// Draws rewards.png: the mean reward of every training step with its spread, and the held-out accuracy of the steps
/// that evaluated, on an axis of its own. It uses the program's own font, for machines that have none.
/// </summary>
public static class RewardsPlot
{
    private const int Width = 1000;
    private const int Height = 560;

    private static readonly Color RewardColor = Color.FromHex("#1f77b4");
    private static readonly Color AccuracyColor = Color.FromHex("#d95f02");

    /// <summary>Replaces the picture as a whole: nobody who opens it sees half of one.</summary>
    public static void Write(RunFolder run, IReadOnlyList<StepReport> steps)
    {
        var picture = Draw(steps);
        DurableFiles.Write(run.RewardsPlot, file => file.Write(picture));
    }

    /// <summary>The PNG of any number of steps, none included.</summary>
    public static byte[] Draw(IReadOnlyList<StepReport> steps)
    {
        PlotFont.Register();
        using var plot = new Plot();
        plot.Font.Set(PlotFont.Name);
        plot.Title("Reward and held-out accuracy");
        plot.XLabel("training step");
        plot.YLabel("mean reward");
        plot.Axes.Left.Label.ForeColor = RewardColor;
        plot.Axes.Right.Label.Text = "held-out accuracy";
        plot.Axes.Right.Label.ForeColor = AccuracyColor;

        AddRewards(plot, [.. steps.Where(step => double.IsFinite(step.RewardMean))]);
        AddAccuracy(plot, [.. steps.Where(step => step.HeldOutAccuracy is { } share && double.IsFinite(share))]);
        plot.Legend.FontName = PlotFont.Name;
        plot.ShowLegend(Alignment.LowerRight);
        return plot.GetImageBytes(Width, Height, ImageFormat.Png);
    }

    private static void AddRewards(Plot plot, StepReport[] steps)
    {
        if (steps.Length == 0)
            return;
        var xs = steps.Select(step => (double)step.Step).ToArray();
        var means = steps.Select(step => step.RewardMean).ToArray();
        var spreads = steps.Select(step => double.IsFinite(step.RewardStd) ? step.RewardStd : 0).ToArray();
        var band = plot.Add.FillY(xs, [.. means.Zip(spreads, (m, s) => m - s)], [.. means.Zip(spreads, (m, s) => m + s)]);
        band.FillColor = RewardColor.WithAlpha(0.15);
        band.LineWidth = 0;
        band.LegendText = "± one standard deviation";
        var line = plot.Add.Scatter(xs, means, RewardColor);
        line.LineWidth = 2;
        line.MarkerSize = steps.Length == 1 ? 7 : 0;
        line.LegendText = "mean reward";
    }

    private static void AddAccuracy(Plot plot, StepReport[] steps)
    {
        plot.Axes.Right.Min = -0.02;
        plot.Axes.Right.Max = 1.02;
        if (steps.Length == 0)
            return;
        var line = plot.Add.Scatter(
            steps.Select(step => (double)step.Step).ToArray(),
            steps.Select(step => step.HeldOutAccuracy!.Value).ToArray(),
            AccuracyColor);
        line.LineWidth = 2;
        line.MarkerSize = 7;
        line.LegendText = "held-out accuracy";
        line.Axes.YAxis = plot.Axes.Right;
    }
}
