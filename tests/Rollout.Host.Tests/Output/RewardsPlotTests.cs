using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using SkiaSharp;
using Xunit;

namespace Rollout.Host.Tests.Output;

public sealed class RewardsPlotTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void The_picture_has_both_curves_and_labels_in_the_programs_own_font()
    {
        var run = RunFolder.Create(_folder.Path);
        StepReport[] steps = [.. Enumerable.Range(1, 40).Select(i => Reports.Step(i, heldOut: i % 8 == 0 ? i / 45.0 : null))];

        RewardsPlot.Write(run, steps[..20]);
        RewardsPlot.Write(run, steps);

        using var picture = SKBitmap.Decode(run.RewardsPlot);
        Assert.Equal((1000, 560), (picture.Width, picture.Height));
        Assert.True(Count(picture, new SKColor(0x1f, 0x77, 0xb4)) > 200, "the reward's curve");
        Assert.True(Count(picture, new SKColor(0xd9, 0x5f, 0x02)) > 200, "the accuracy's curve");
        // The title is the only thing in the top rows: without a font they stay empty.
        Assert.True(InkOfTop(picture, rows: 24) > 300, "the title");
        Assert.Single(Directory.EnumerateFiles(_folder.Path));
    }

    [Fact]
    public void No_step_one_step_and_values_that_are_no_numbers_can_be_drawn()
    {
        var broken = Reports.Step(2) with { RewardMean = double.NaN, HeldOutAccuracy = double.NaN };

        Assert.NotEmpty(RewardsPlot.Draw([]));
        Assert.NotEmpty(RewardsPlot.Draw([Reports.Step(1, heldOut: 0)]));
        Assert.NotEmpty(RewardsPlot.Draw([Reports.Step(1), broken, Reports.Step(3) with { RewardStd = double.NaN }]));
    }

    public void Dispose() => _folder.Dispose();

    private static int Count(SKBitmap picture, SKColor color) => picture.Pixels.Count(pixel => pixel == color);

    private static int InkOfTop(SKBitmap picture, int rows) =>
        picture.Pixels.Take(rows * picture.Width).Count(pixel => pixel.Red < 128);
}
