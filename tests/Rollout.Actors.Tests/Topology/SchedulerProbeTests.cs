using Akka.Actor;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Topology;
using Xunit;

namespace Rollout.Actors.Tests.Topology;

/// <summary>The test's own actor is told what the process is told.</summary>
public sealed class SchedulerProbeTests() : ActorTest(VirtualTime)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task A_scheduler_that_handles_no_message_for_too_long_is_reported_once()
    {
        var probe = Start(new StuckScheduler());
        await PassAsync(probe, seconds: 5);
        Assert.False(HasMessages);

        await PassAsync(probe, seconds: 5);

        Assert.Contains("has not handled a message for 5 s", await ExpectMsgAsync<string>());
        await PassAsync(probe, seconds: 5);
        Assert.False(HasMessages);
    }

    [Fact]
    public async Task A_scheduler_that_answers_is_left_alone()
    {
        var scheduler = Sys.ActorOf(Props.Empty);
        var probe = Start(scheduler);
        for (var second = 0; second < 20; second++)
        {
            await PassAsync(probe, seconds: 1);
            await SettledAsync(scheduler);
        }

        Assert.False(HasMessages);
    }

    [Fact]
    public async Task Where_this_process_does_not_have_the_role_nothing_is_reported()
    {
        var probe = Start(Sys.ActorSelection("/user/scheduler/singleton"));
        await PassAsync(probe, seconds: 20);

        Assert.False(HasMessages);
    }

    private IActorRef Start(ICanTell scheduler)
    {
        var test = TestActor;
        return Sys.ActorOf(SchedulerProbe.Props(scheduler, Patience, reason => test.Tell(reason)));
    }

    private async Task PassAsync(IActorRef probe, int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            await SettledAsync(probe);
            Advance(TimeSpan.FromSeconds(1));
        }
        await SettledAsync(probe);
    }

    /// <summary>Nothing that it is told is ever handled.</summary>
    private sealed class StuckScheduler : ICanTell
    {
        public void Tell(object message, IActorRef sender)
        {
        }
    }
}
