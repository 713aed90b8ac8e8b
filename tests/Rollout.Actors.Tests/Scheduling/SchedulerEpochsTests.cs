using Rollout.Actors.Protocol;
using Rollout.Actors.Scheduling;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

public sealed class SchedulerEpochsTests
{
    private readonly SchedulerEpochs _epochs = new(TimeProvider.System);

    [Fact]
    public void A_number_goes_above_all_that_were_given_or_heard_of()
    {
        var first = _epochs.Next();
        _epochs.Hear(new SchedulerEpoch(first.Value + 1_000_000));

        Assert.Equal(first.Value + 1_000_001, _epochs.Next().Value);
        Assert.Equal(first.Value + 1_000_002, _epochs.Next().Value);
    }

    [Fact]
    public void However_large_a_number_is_heard_the_next_one_is_no_smaller_than_the_last()
    {
        var first = _epochs.Next();
        _epochs.Hear(new SchedulerEpoch(long.MaxValue));

        Assert.InRange(_epochs.Next().Value, first.Value + 1, SchedulerEpoch.Largest.Value);
        Assert.Equal(SchedulerEpoch.Largest, _epochs.Next());
    }
}
