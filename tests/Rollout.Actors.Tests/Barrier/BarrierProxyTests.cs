using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Barrier;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Xunit;

namespace Rollout.Actors.Tests.Barrier;

/// <summary>A proxy between a probe for a decoder and probes for the barriers of two trainers.</summary>
public sealed class BarrierProxyTests : ActorTest
{
    private static readonly HostId First = new("first:1", 1);
    private static readonly HostId Second = new("second:1", 1);

    private readonly Dictionary<HostId, TestProbe> _barriers = [];
    private readonly TestProbe _decoder;
    private readonly IActorRef _proxy;

    public BarrierProxyTests()
        : base(VirtualTime)
    {
        _decoder = CreateTestProbe();
        _proxy = Sys.ActorOf(BarrierProxy.Props(TestActor, trainer =>
            _barriers.TryGetValue(trainer, out var barrier) ? barrier.Ref : Sys.ActorSelection("/user/none")));
    }

    [Fact]
    public async Task A_decoder_waits_until_membership_is_known_and_hears_that_nobody_trains()
    {
        Join();
        await SettledAsync(_proxy);
        Assert.False(_decoder.HasMessages);

        _proxy.Tell(new HostsUp([]));

        await AssertTrainerAsync(null);
    }

    [Fact]
    public async Task A_decoder_joins_the_barrier_of_the_present_trainer()
    {
        var barrier = Up(First);
        await SettledAsync(_proxy);
        Join();

        await AssertTrainerAsync(First);
        var join = await barrier.ExpectMsgAsync<JoinBarrier>();
        Assert.Equal(_decoder.Ref, join.Decoder);
        _proxy.Tell(new LeaveBarrier(join.Id, 1));
        Assert.Equal(join.Id, (await barrier.ExpectMsgAsync<LeaveBarrier>()).Id);
    }

    [Fact]
    public async Task All_decoders_are_told_of_a_trainer_that_comes_later()
    {
        Join();
        _proxy.Tell(new HostsUp([]));
        await AssertTrainerAsync(null);

        Up(First);

        await AssertTrainerAsync(First);
    }

    [Fact]
    public async Task A_trainer_counts_from_the_time_it_has_a_barrier()
    {
        _proxy.Tell(new HostsUp([First]));
        Join();
        await AssertTrainerAsync(null);

        _barriers[First] = CreateTestProbe();
        Advance(TimeSpan.FromSeconds(1));

        await AssertTrainerAsync(First);
    }

    [Fact]
    public async Task Decoders_follow_the_next_trainer_when_one_is_lost_or_nobody()
    {
        Join();
        Up(First);
        await AssertTrainerAsync(First);
        Up(Second);
        _proxy.Tell(new HostLost(First));
        await AssertTrainerAsync(null);
        await AssertTrainerAsync(Second);

        _proxy.Tell(new HostLost(Second));

        await AssertTrainerAsync(null);
    }

    private void Join() => _proxy.Tell(new JoinBarrier(Decoder(0), 1, _decoder, SharesWeights: false, null));

    private TestProbe Up(HostId trainer)
    {
        var barrier = _barriers[trainer] = CreateTestProbe();
        _proxy.Tell(new HostsUp([trainer]));
        return barrier;
    }

    private async Task AssertTrainerAsync(HostId? expected) =>
        Assert.Equal(new TrainerIs(expected), await _decoder.ExpectMsgAsync<TrainerIs>());
}
