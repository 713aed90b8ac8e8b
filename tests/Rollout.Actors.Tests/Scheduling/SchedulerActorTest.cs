using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Scheduling;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>A scheduler between decoders that do what the test says and the test's own actor as its client.</summary>
public abstract class SchedulerActorTest() : ActorTest(VirtualTime)
{
    protected IActorRef Start(SchedulerSettings? settings = null) =>
        Sys.ActorOf(SchedulerActor.Props(settings ?? TestSettings.Scheduler, new SchedulerEpochs(Clock), time: Clock));

    /// <summary>A decoder of four places is ready.</summary>
    protected async Task<DecoderDouble> JoinAsync(IActorRef scheduler, int number, int incarnation = 1)
    {
        var decoder = new DecoderDouble(CreateTestProbe(), Decoder(number), incarnation);
        await decoder.JoinAsync(scheduler);
        return decoder;
    }

    /// <summary>The next that decoder and client hear of is a group that is submitted now.</summary>
    protected async Task ExpectNothingMoreAsync(IActorRef scheduler, DecoderDouble decoder)
    {
        var marker = Groups.Of(999, 1, 1);
        Tell(scheduler, new SubmitGroup(marker));
        var assigned = await decoder.AssignedAsync();
        Assert.Equal(marker, assigned.Group);
        decoder.Finish(scheduler, assigned, 5);
        Assert.Equal(marker.Id, (await ExpectMsgAsync<CompletionsReady>()).Id);
    }
}
