using FsCheck.Fluent;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

public sealed class LearningRateTests
{
    [Fact]
    public void It_rises_linearly_and_stays()
    {
        var rate = new LearningRate(0.8, WarmupSteps: 4, LearningRateSchedule.Constant, TotalSteps: 0, Lowest: 0);

        Assert.Equal([0.2, 0.4, 0.6, 0.8, 0.8], Rates(rate, 5));
        Assert.Equal(0.8, (rate with { WarmupSteps = 0 }).After(0));
    }

    [Fact]
    public void A_linear_schedule_falls_from_the_warm_up_to_nothing_after_the_last_step()
    {
        var rate = new LearningRate(1, WarmupSteps: 2, LearningRateSchedule.Linear, TotalSteps: 5, Lowest: 0);

        Assert.Equal([0.5, 1, 0.75, 0.5, 0.25, 0, 0], Rates(rate, 7));
        Assert.Equal([1, 0.75, 0.5, 0.25, 0], Rates(rate with { WarmupSteps = 0, TotalSteps = 4 }, 5));
    }

    [Fact]
    public void A_cosine_is_halfway_in_the_middle_and_ends_at_the_floor()
    {
        var rate = new LearningRate(1, WarmupSteps: 2, LearningRateSchedule.Cosine, TotalSteps: 5, Lowest: 0.2);

        var quarter = 0.2 + (0.8 * (1 + Math.Cos(Math.PI / 4)) / 2);
        Assert.Equal([0.5, 1, Math.Round(quarter, 12), 0.6], Rates(rate, 4));
        Assert.Equal(0.2, rate.After(5), 1e-12);
        Assert.Equal(0.2, rate.After(50), 1e-12);
    }

    [Fact]
    public void After_the_warm_up_no_schedule_rises_or_leaves_its_bounds()
    {
        Prop.ForAll<byte, byte, byte>((warmup, total, shape) =>
        {
            var rate = new LearningRate(1, warmup, (LearningRateSchedule)(shape % 3), warmup + total + 1, 0.1);
            var rates = Enumerable.Range(0, warmup + total + 20).Select(rate.After).ToArray();
            var fallen = rates.Skip(Math.Max(warmup, (byte)1) - 1).ToArray();
            return rates.All(value => value is > 0 and <= 1)
                && Math.Abs(fallen[0] - 1) < 1e-12
                && fallen.Zip(fallen.Skip(1)).All(pair => pair.Second <= pair.First && pair.Second >= 0.1 - 1e-12);
        }).Holds();
    }

    private static double[] Rates(LearningRate rate, int steps) =>
        [.. Enumerable.Range(0, steps).Select(step => Math.Round(rate.After(step), 12))];
}
