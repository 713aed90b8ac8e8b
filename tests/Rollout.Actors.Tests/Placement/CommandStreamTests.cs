using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

/// <summary>What a decoder is told, and told again.</summary>
public sealed class CommandStreamTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly CommandStream _stream = new(new SchedulerEpoch(1), () => { });

    [Fact]
    public void A_command_is_sent_once_where_it_is_answered_in_time()
    {
        Assign();

        Assert.Equal([1], Sent(after: 0));
        Assert.Empty(Sent(after: 1));
        _stream.Acknowledge(1);
        Assert.Empty(Sent(after: 10));
    }

    [Fact]
    public void What_has_no_answer_for_too_long_is_sent_again_and_again()
    {
        Assign();
        Assign();
        Sent(after: 0);

        Assert.Equal([1, 2], Sent(after: 3));
        Assert.Empty(Sent(after: 4));
        _stream.Acknowledge(1);
        Assert.Equal([2], Sent(after: 6));
    }

    [Fact]
    public void A_lost_command_is_sent_again_however_many_follow_it()
    {
        Assign();
        Sent(after: 0);     // and lost: the decoder takes nothing after it

        var again = Enumerable.Range(1, 4).Select(second =>
        {
            Assign();
            return Sent(second);
        }).ToArray();

        Assert.Equal([[2], [3], [1, 2, 3, 4], [5]], again);
    }

    [Fact]
    public void Groups_that_are_over_are_told_of_before_the_next_command()
    {
        _stream.Forget(new GroupId(7));
        Assert.Empty(Sent(after: 0));

        Assign();

        var sent = _stream.TakeSendable(Second);
        Assert.Equal([new GroupId(7)], Assert.IsType<ForgetGroups>(sent[0]).Groups);
        Assert.IsType<AssignSamples>(sent[1]);
    }

    private void Assign() => _stream.Assign(new AssignmentId(1), Groups.Of(1, 4, 8), [SampleStart.New(0)]);

    private long[] Sent(int after) => [.. _stream.TakeSendable(after * Second).Select(command => command.Number)];
}
