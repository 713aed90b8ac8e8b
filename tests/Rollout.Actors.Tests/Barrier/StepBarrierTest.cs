using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Barrier;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Barrier;

/// <summary>A step barrier whose trainer is the test's own actor, in virtual time.</summary>
public abstract class StepBarrierTest() : ActorTest($"{VirtualTime}\nakka.loglevel = WARNING")
{
    protected static readonly BarrierSettings Deadlines = new()
    {
        Timeout = TimeSpan.FromSeconds(60),
        TransferTimeout = TimeSpan.FromMinutes(5),
        TransferPort = 0,
    };

    /// <summary>The trainer's host, where those that share its weights are.</summary>
    protected static readonly HostId Here = Decoder(0).Host;

    protected static readonly Policy Zero = new(Run: 77, new PolicyVersion(0));
    protected static readonly Policy One = new(Run: 77, new PolicyVersion(1));
    protected static readonly Policy Two = new(Run: 77, new PolicyVersion(2));

    protected static WeightOffer Offer(Policy policy) => new(policy, "here", 9, [1, 2], 100, 5);

    /// <summary>On a host of its own.</summary>
    protected static DecoderId Elsewhere(int number) => Decoder(number, $"host-{number}:1");

    /// <summary>The trainer doesn't read who is waited for, unless a test says so.</summary>
    protected IActorRef Start(Policy? policy = null)
    {
        IgnoreMessages<BarrierWaits>();
        return Sys.ActorOf(StepBarrierActor.Props(
            Deadlines, Here, policy ?? Zero, Offer(policy ?? Zero), ActorRefs.Nobody));
    }

    protected TestProbe Join(
        IActorRef barrier, DecoderId id, int incarnation = 1, Policy? holds = null, TestProbe? again = null)
    {
        var decoder = again ?? CreateTestProbe();
        Tell(barrier, new JoinBarrier(id, incarnation, decoder, SharesWeights: id.Host == Here, holds));
        return decoder;
    }

    protected async Task<TestProbe> JoinedAsync(IActorRef barrier, DecoderId id)
    {
        var decoder = Join(barrier, id);
        Assert.Equal(Zero, (await decoder.ExpectMsgAsync<UpdateWeights>()).Policy);
        Tell(barrier, Updated(id, Zero));
        return decoder;
    }

    protected static WeightsUpdated Updated(DecoderId id, Policy policy, int steps = 0) =>
        new(id, policy, new DecoderStats { Steps = steps });

    /// <summary>These park, and then everybody is.</summary>
    protected async Task ParkAsync(IActorRef barrier, params DecoderId[] decoders)
    {
        Tell(barrier, new ParkAll(One));
        foreach (var decoder in decoders)
            Tell(barrier, new Parked(decoder, One));
        Assert.Equal(One, (await ExpectMsgAsync<AllParked>()).Next);
    }

    protected void Publish(IActorRef barrier) => Tell(barrier, new UpdateAll(One, Offer(One)));

    /// <summary>Time passes for a process that runs: second after second, each handled before the next.</summary>
    protected async Task PassAsync(IActorRef barrier, TimeSpan time)
    {
        await SettledAsync(barrier);
        for (var left = time; left > TimeSpan.Zero; left -= TimeSpan.FromSeconds(1))
        {
            Advance(TimeSpan.FromSeconds(Math.Min(1, left.TotalSeconds)));
            await SettledAsync(barrier);
        }
    }

    /// <summary>The update that is under way ends with the last of these and no sooner.</summary>
    protected async Task AssertWaitsForAsync(IActorRef barrier, params DecoderId[] decoders)
    {
        foreach (var decoder in decoders)
        {
            await SettledAsync(barrier);
            Assert.False(HasMessages);
            Tell(barrier, Updated(decoder, One));
        }
        await ExpectMsgAsync<StepOpened>();
    }
}
