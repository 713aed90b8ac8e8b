using ScottPlot;
using ScottPlot.MultiplotLayouts;
using SkiaSharp;

namespace Rollout.Host.Tracking;

/// <summary>
/// The page of plots of a run: nine panels over the training step. It uses the program's own font, for machines that
/// have none. A value that is no finite number is left out of its
/// curve.
/// </summary>
public static class PlotPage
{
    private const int Width = 1600;
    private const int Height = 1200;
    private const int Columns = 3;

    /// <summary>The PNG of any number of steps, none included.</summary>
    /// <param name="steps">In order; step 0 is what was measured before training.</param>
    public static byte[] Draw(IReadOnlyList<StepMetrics> steps)
    {
        PlotFont.Register();
        var panels = Panels(steps);
        var page = new Multiplot();
        page.AddPlots(panels.Length);
        page.Layout = new Grid(rows: panels.Length / Columns, columns: Columns);
        foreach (var (panel, plot) in panels.Zip(page.GetPlots()))
            panel.DrawOn(plot, steps);
        // A bitmap of its own: the pixels of the library's image wait for a finalizer.
        using var picture = new SKBitmap(Width, Height);
        using var canvas = new SKCanvas(picture);
        page.Render(canvas, new PixelRect(0, Width, Height, 0));
        foreach (var plot in page.GetPlots())
            plot.Dispose();
        using var png = picture.Encode(SKEncodedImageFormat.Png, quality: 100);
        return png.ToArray();
    }

    private static PlotPanel[] Panels(IReadOnlyList<StepMetrics> steps) =>
    [
        new("Reward", "reward")
        {
            Band = new("10 % to 90 % of samples", Metrics.RewardP10, Metrics.RewardP90),
            Curves = [new("mean", Metrics.Reward)],
        },
        new("Held-out accuracy", "share of prompts")
        {
            Curves = EvalMetrics.CurvesOf(steps),
            FromZero = true,
            WithMarkers = true,
        },
        new("Completion length", "tokens")
        {
            Band = new("shortest to longest", Metrics.MinLength, Metrics.MaxLength),
            Curves = [new("mean", Metrics.MeanLength)],
            FromZero = true,
        },
        new("Entropy", "nats per token") { Curves = [new("entropy", Metrics.Entropy)] },
        new("KL to the reference model", "nats per token") { Curves = [new("kl", Metrics.Kl)], FromZero = true },
        new("Clipped tokens", "share of tokens")
        {
            Curves = [new("below the lower bound", Metrics.ClipFractionLow), new("above the upper bound", Metrics.ClipFractionHigh)],
            FromZero = true,
        },
        new("Sampler and trainer log-probability", "difference, nats")
        {
            Curves = [new("mean", Metrics.LogprobDifferenceMean), new("largest", Metrics.LogprobDifferenceMax)],
            Logarithmic = true,
        },
        new("Time of a step", "seconds")
        {
            Curves =
            [
                new("rollout", Metrics.RolloutSeconds), new("training", Metrics.TrainSeconds), new("other", Metrics.OtherSeconds),
            ],
            Stacked = true,
            FromZero = true,
        },
        new("Gradient norm before clipping", "norm") { Curves = [new("norm", Metrics.GradientNorm)], FromZero = true },
    ];
}
