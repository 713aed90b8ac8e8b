using Rollout.Actors.Blocks;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Engine;

public sealed class StepClockTests
{
    private readonly ManualTime _time = new();
    private readonly StepClock _clock;

    public StepClockTests() => _clock = new StepClock(_time, blocksTotal: 50);

    [Fact]
    public void Time_without_work_is_not_counted_and_time_with_work_is_counted_once()
    {
        _time.Seconds += 100;
        _clock.Start();
        Step(seconds: 2, prefillTokens: 7, draws: 3);
        _clock.Start();             // there is work already: the step's time goes on
        Step(seconds: 3, prefillTokens: 0, draws: 4);
        _clock.Stop();
        _time.Seconds += 100;
        _clock.Start();
        Step(seconds: 1, prefillTokens: 0, draws: 1);

        var stats = _clock.Read(reset: false);

        Assert.Equal((3, 7, 8), (stats.Steps, stats.PrefillTokens, stats.NewTokens));
        Assert.Equal((6, 2), (stats.BusySeconds, stats.PrefillSeconds));
        Assert.Equal((1.5, 0.75), (stats.ForwardSeconds, stats.SamplingSeconds));
    }

    [Fact]
    public void A_failed_step_takes_time_and_gives_no_tokens()
    {
        _clock.Start();
        _time.Seconds += 2;
        _clock.StepFailed();
        Step(seconds: 1, prefillTokens: 0, draws: 1);

        var stats = _clock.Read(reset: false);

        Assert.Equal((1, 1, 1), (stats.Steps, stats.StepFailures, stats.NewTokens));
        Assert.Equal(3, stats.BusySeconds);
    }

    [Fact]
    public void It_keeps_the_most_blocks_of_all_grants_and_adds_preemptions_up()
    {
        _clock.Granted(new PoolUsage(Total: 50, Free: 30, Cached: 10, InUse: 10, Logical: 15), preempted: 1);
        _clock.Granted(new PoolUsage(Total: 50, Free: 10, Cached: 10, InUse: 30, Logical: 60), preempted: 0);
        _clock.Granted(new PoolUsage(Total: 50, Free: 25, Cached: 5, InUse: 20, Logical: 20), preempted: 2);

        var stats = _clock.Read(reset: true);

        Assert.Equal((50, 30, 60, 3), (
            stats.BlocksTotal, stats.BlocksInUsePeak, stats.LogicalBlocksPeak, stats.Preemptions));
        Assert.Equal(2, stats.SharingRatio);
        Assert.Equal(new DecoderStats { BlocksTotal = 50 }, _clock.Read(reset: false));
    }

    [Fact]
    public void The_sharing_ratio_is_that_of_the_grant_with_the_most_blocks_in_use()
    {
        _clock.Granted(new PoolUsage(Total: 50, Free: 40, Cached: 0, InUse: 10, Logical: 80), preempted: 0);
        _clock.Granted(new PoolUsage(Total: 50, Free: 10, Cached: 0, InUse: 40, Logical: 60), preempted: 0);
        _clock.Granted(new PoolUsage(Total: 50, Free: 30, Cached: 0, InUse: 20, Logical: 70), preempted: 0);

        Assert.Equal(1.5, _clock.Read(reset: false).SharingRatio);
    }

    [Fact]
    public void Two_decoders_together_count_both_so_that_shares_of_their_time_stay_below_1()
    {
        var one = new DecoderStats { Steps = 3, NewTokens = 40, BusySeconds = 2, ForwardSeconds = 1.5, BlocksTotal = 50, Preemptions = 1 };
        var other = new DecoderStats { Steps = 4, NewTokens = 60, BusySeconds = 5, ForwardSeconds = 4, BlocksTotal = 30, StepFailures = 2 };

        Assert.Equal(
            new DecoderStats
            {
                Steps = 7,
                NewTokens = 100,
                BusySeconds = 7,
                ForwardSeconds = 5.5,
                BlocksTotal = 80,
                Preemptions = 1,
                StepFailures = 2,
            },
            one.Plus(other));
        Assert.Equal(one, one.Plus(DecoderStats.None));
    }

    /// <summary>A quarter of the time in the forward, an eighth in the sampler.</summary>
    private void Step(double seconds, int prefillTokens, int draws)
    {
        _time.Seconds += seconds;
        var output = new StepOutput
        {
            Count = draws,
            ForwardTime = TimeSpan.FromSeconds(seconds / 4),
            SamplingTime = TimeSpan.FromSeconds(seconds / 8),
        };
        _clock.StepDone(output, prefillTokens, newTokens: draws);
    }

    private sealed class ManualTime : TimeProvider
    {
        public double Seconds { get; set; } = 1;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }
}
