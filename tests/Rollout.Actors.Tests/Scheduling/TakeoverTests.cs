using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Scheduling;
using Rollout.Actors.Tests.Support;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>What a new scheduler waits for before it gives anything to anybody.</summary>
public sealed class TakeoverTests : SchedulerActorTest
{
    private readonly HostId _here = new("here:1", 1);
    private readonly HostId _there = new("there:1", 1);

    [Fact]
    public async Task A_host_that_says_nothing_is_waited_for_no_longer_than_five_seconds()
    {
        var scheduler = StartAmong(_here, _there);
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));

        await PassAsync(scheduler, TimeSpan.FromSeconds(5));
        Assert.Equal(1, await WaitingAsync(scheduler));
        await PassAsync(scheduler, TimeSpan.FromSeconds(1));

        Assert.Equal(1, (await decoder.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task A_decoder_that_worked_before_outranks_one_that_came_in_the_meantime()
    {
        var scheduler = StartAmong(_here, _there);
        var stranger = new DecoderDouble(CreateTestProbe(), Decoder(0, _there.Address)) { Fingerprint = "another" };
        await stranger.JoinAsync(scheduler);
        var rightful = new DecoderDouble(CreateTestProbe(), Decoder(0)) { HeldSamples = 1 };
        await rightful.JoinAsync(scheduler);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        rightful.Report(scheduler, []);
        scheduler.Tell(stranger.Here, stranger.Ref);

        // Nobody else is waited for: the one that is refused has been heard of.
        Assert.Contains("another model or tokenizer", (await stranger.ExpectAsync<DecoderRefused>()).Reason);
        Assert.Equal(1, (await rightful.AssignedAsync()).Group.Id.Value);
    }

    private IActorRef StartAmong(params HostId[] hosts) => Sys.ActorOf(SchedulerActor.Props(
        TestSettings.Scheduler,
        new SchedulerEpochs(Clock),
        Sys.ActorOf(Props.Create(() => new MembershipDouble(hosts))),
        Clock));

    private async Task PassAsync(IActorRef scheduler, TimeSpan time)
    {
        await SettledAsync(scheduler);
        Advance(time);
        await SettledAsync(scheduler);
    }

    private static async Task<int> WaitingAsync(IActorRef scheduler) =>
        (await scheduler.Ask<SchedulerReport>(new QueryScheduler(), TimeSpan.FromSeconds(30))).WaitingSequences;

    private sealed class MembershipDouble : ReceiveActor
    {
        public MembershipDouble(HostId[] hosts) => Receive<WatchHosts>(_ => Sender.Tell(new HostsUp(hosts)));
    }
}
