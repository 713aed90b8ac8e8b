using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using SkiaSharp;
using Xunit;

namespace Rollout.Host.Tests.Tracking;

public sealed class PlotPageTests
{
    private static readonly SKColor[] Curves = [new(0x1f, 0x77, 0xb4), new(0xd9, 0x5f, 0x02)];

    [Fact]
    public void Each_of_nine_panels_has_a_title_and_its_curves()
    {
        using var picture = Drawn(Enumerable.Range(0, 41).Select(
            step => step == 0
                ? StepRecord.BeforeTraining(Evaluations.Of(0.1)).Metrics
                : Reports.Step(step, heldOut: step % 8 == 0 ? step / 45.0 : null)));

        Assert.Equal((1600, 1200), (picture.Width, picture.Height));
        for (var panel = 0; panel < 9; panel++)
        {
            var (left, top) = (panel % 3 * 533, panel / 3 * 400);
            // Without a font the rows of the title stay empty.
            Assert.True(Count(picture, left, top, 533, 30, pixel => pixel.Red < 128) > 100, $"title of panel {panel}");
            Assert.True(
                Count(picture, left, top, 533, 400, pixel => Curves.Any(color => Near(pixel, color))) > 200, $"panel {panel}");
        }
    }

    [Fact]
    public void No_label_is_cut_at_the_right_edge_of_its_panel()
    {
        using var picture = Drawn(Enumerable.Range(1, 3000).Select(step => Reports.Step(step)));

        for (var panel = 0; panel < 9; panel++)
        {
            var (left, top) = (panel % 3 * 533, panel / 3 * 400);
            Assert.True(Count(picture, left + 529, top, 3, 400, pixel => pixel.Red < 200) == 0, $"panel {panel}");
        }
    }

    [Fact]
    public void No_step_one_step_and_a_thousand_steps_can_be_drawn()
    {
        Drawn([]).Dispose();
        Drawn([StepRecord.BeforeTraining(Evaluations.Of(0.5)).Metrics]).Dispose();
        Drawn([Reports.Step(1, heldOut: 0)]).Dispose();
        Drawn(Enumerable.Range(1, 1000).Select(step => Reports.Step(step))).Dispose();
    }

    [Fact]
    public void The_panel_of_accuracies_has_a_curve_for_each_set_and_each_score()
    {
        using var picture = Drawn(Enumerable.Range(0, 9).Select(step => step == 0
            ? StepRecord.BeforeTraining(Evaluations.OfTwoSets()).Metrics
            : Metrics.Of(FinishedSteps.Of(step) with { Evaluation = Evaluations.OfTwoSets() }, tokensBefore: 0)));

        // Two sets with accuracy, mean@2, pass@1 and pass@2; the last of them lies on the first.
        foreach (var color in (SKColor[])[new(0xd9, 0x5f, 0x02), new(0x7f, 0x8c, 0x8d), new(0x2c, 0xa0, 0x2c), new(0x94, 0x67, 0xbd)])
            Assert.True(Count(picture, 533, 0, 533, 400, pixel => Near(pixel, color)) > 20, $"{color}");
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(double.MaxValue)]
    [InlineData(-1.0)]
    [InlineData(0.0)]
    public void Any_value_of_any_metric_can_be_drawn(double value)
    {
        foreach (var steps in (StepMetrics[][])[[All(1)], [Reports.Step(1), All(2), Reports.Step(3)]])
            Drawn(steps).Dispose();

        StepMetrics All(int step) => new(step, Metrics.All.ToDictionary(metric => metric.Name, _ => value));
    }

    private static SKBitmap Drawn(IEnumerable<StepMetrics> steps) => SKBitmap.Decode(PlotPage.Draw([.. steps]));

    private static int Count(SKBitmap picture, int left, int top, int width, int height, Func<SKColor, bool> counts) =>
        Enumerable.Range(0, width * height).Count(i => counts(picture.GetPixel(left + (i % width), top + (i / width))));

    private static bool Near(SKColor pixel, SKColor color) =>
        Math.Abs(pixel.Red - color.Red) < 60 && Math.Abs(pixel.Green - color.Green) < 60
            && Math.Abs(pixel.Blue - color.Blue) < 60;
}
