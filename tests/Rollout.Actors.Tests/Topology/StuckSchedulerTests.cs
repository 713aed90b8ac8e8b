using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Topology;
using Xunit;

namespace Rollout.Actors.Tests.Topology;

/// <summary>A real process whose scheduler handles no message any more.</summary>
public sealed class StuckSchedulerTests
{
    [Fact]
    public async Task A_process_whose_scheduler_is_stuck_gives_its_role_up_and_says_why()
    {
        var settings = TestSettings.Rollout;
        await using var topology = await RolloutTopology.StartAsync(
            settings with { Cluster = settings.Cluster with { SchedulerTimeout = TimeSpan.FromSeconds(5) } }, "");
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await topology.Scheduler.Ask<SchedulerReport>(new QueryScheduler(), TimeSpan.FromSeconds(60));
        var scheduler = await topology.System.ActorSelection("/user/scheduler/singleton").ResolveOne(TimeSpan.FromSeconds(30));

        ((LocalActorRef)scheduler).Suspend();

        Assert.Contains("has not handled a message for 5 s", await topology.RunUntilAsync(deadline.Token));
        await topology.System.WhenTerminated.WaitAsync(deadline.Token);
    }
}
