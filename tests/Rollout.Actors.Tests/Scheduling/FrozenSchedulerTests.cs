using Rollout.Actors.Protocol;
using Rollout.Actors.Scheduling;
using Rollout.Actors.Tests.Support;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>A scheduler whose process gets no time for long.</summary>
public sealed class FrozenSchedulerTests : SchedulerActorTest
{
    [Fact]
    public async Task Time_in_which_it_was_frozen_fails_no_group()
    {
        var timeout = TimeSpan.FromSeconds(100);
        IgnoreMessages(message => message is OutcomesKept);
        var scheduler = Sys.ActorOf(SchedulerActor.Props(
            TestSettings.Scheduler with { GroupTimeout = timeout }, new SchedulerEpochs(Clock), time: new AwakeTime(Clock)));
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        await decoder.AssignedAsync();
        await SettledAsync(scheduler);

        Advance(10 * timeout);      // at once: it looks at its clock only afterwards
        await SettledAsync(scheduler);
        Assert.False(HasMessages);

        for (var second = 0; second <= timeout.TotalSeconds; second++)
        {
            Advance(TimeSpan.FromSeconds(1));
            await SettledAsync(scheduler);
        }
        Assert.Equal(1, (await ExpectMsgAsync<GroupGivenUp>()).Id.Value);
    }
}
