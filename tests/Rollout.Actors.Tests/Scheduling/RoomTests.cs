using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>What clients keep because enough is waiting, and who goes first when there is room again.</summary>
public sealed class RoomTests : SchedulerActorTest
{
    [Fact]
    public async Task More_than_may_wait_is_sent_away_and_called_when_there_is_room_again()
    {
        var scheduler = Start(TestSettings.Scheduler with { LookaheadSeqs = 0, QueueDepth = 1 });
        var decoder = await JoinAsync(scheduler, 0);
        for (var i = 1; i <= 3; i++)
            Tell(scheduler, new SubmitGroup(Groups.Of(i, 4, 8, 8, 8, 8)));

        Assert.Equal(3, (await ExpectMsgAsync<NoRoom>()).Id.Value);
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);

        await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([new GroupId(3)], (await ExpectMsgAsync<SendGroups>()).Groups);
        Assert.Equal(2, (await decoder.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task A_large_group_has_its_turn_beside_a_client_of_small_ones()
    {
        var scheduler = Start(TestSettings.Scheduler with { LookaheadSeqs = 0, QueueDepth = 2 });
        var decoder = await JoinAsync(scheduler, 0);
        for (var id = 1; id <= 12; id++)
            Tell(scheduler, new SubmitGroup(Groups.Of(id, 4, 8)));
        await SettledAsync(scheduler);
        Tell(scheduler, new SubmitGroup(Groups.Of(100, 4, 8, 8, 8, 8, 8, 8)));
        Assert.Equal(100, (await ExpectMsgAsync<NoRoom>()).Id.Value);

        // One of the small ones ends, and there would be room for another, again and again.
        for (var id = 13; ; id++)
        {
            Tell(scheduler, new SubmitGroup(Groups.Of(id, 4, 8)));
            Assert.Equal(id, (await ExpectMsgAsync<NoRoom>()).Id.Value);
            decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
            await ExpectMsgAsync<CompletionsReady>();
            await SettledAsync(scheduler);
            if (!HasMessages)
                continue;
            Assert.Equal(100, (await ExpectMsgAsync<SendGroups>()).Groups[0].Value);
            break;
        }
        // It was promised room: nothing takes that meanwhile.
        Tell(scheduler, new SubmitGroup(Groups.Of(200, 4, 8)), new SubmitGroup(Groups.Of(100, 4, 8, 8, 8, 8, 8, 8)));
        Assert.Equal(200, (await ExpectMsgAsync<NoRoom>()).Id.Value);
        await SettledAsync(scheduler);
        Assert.False(HasMessages);
    }

    [Fact]
    public async Task Offered_ids_are_answered_with_progress_outcomes_and_a_place_in_line()
    {
        var scheduler = Start(TestSettings.Scheduler with { LookaheadSeqs = 0, QueueDepth = 1 });
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
        await ExpectMsgAsync<CompletionsReady>();       // and say that it got lost
        Tell(scheduler, new SubmitGroup(Groups.Of(2, 4, 8, 8, 8, 8)), new SubmitGroup(Groups.Of(3, 4, 8, 8, 8)));
        var assigned = await decoder.AssignedAsync();
        decoder.Report(scheduler, [DecoderDouble.Progress(assigned, assigned.Samples[0], null, 5, 6)]);

        Tell(scheduler, new OfferGroups([.. new[] { 1, 2, 3, 4 }.Select(id => new OfferedGroup(new GroupId(id), 2))]));

        Assert.Equal(1, (await ExpectMsgAsync<CompletionsReady>()).Id.Value);
        Assert.Equal(
            [new GroupProgress(new GroupId(2), 2), new GroupProgress(new GroupId(3), 0)],
            (await ExpectMsgAsync<GroupsUnderway>()).Groups);
        decoder.Finish(scheduler, assigned, 7);
        await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([new GroupId(4)], (await ExpectMsgAsync<SendGroups>()).Groups);
    }

    [Fact]
    public async Task A_call_that_gets_lost_is_repeated_and_one_that_nobody_follows_costs_the_place()
    {
        var scheduler = Start(TestSettings.Scheduler with { LookaheadSeqs = 0, QueueDepth = 1 });
        var decoder = await JoinAsync(scheduler, 0);
        for (var id = 1; id <= 3; id++)
            Tell(scheduler, new SubmitGroup(Groups.Of(id, 4, 8, 8, 8, 8)));
        var other = new GroupId(4, Client: 1);
        Tell(scheduler, new SubmitGroup(Groups.Of(4, 4, 8, 8, 8, 8) with { Id = other }));
        Assert.Equal(3, (await ExpectMsgAsync<NoRoom>()).Id.Value);
        Assert.Equal(4, (await ExpectMsgAsync<NoRoom>()).Id.Value);
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
        await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([new GroupId(3)], (await ExpectMsgAsync<SendGroups>()).Groups);

        Tell(scheduler, new OfferGroups([new OfferedGroup(new GroupId(3), 4)]));
        Assert.Empty((await ExpectMsgAsync<GroupsUnderway>()).Groups);
        Assert.Equal([new GroupId(3)], (await ExpectMsgAsync<SendGroups>()).Groups);
        IgnoreMessages(message => message is OutcomesKept);
        Advance(TimeSpan.FromSeconds(16));

        Assert.Equal([other], (await ExpectMsgAsync<SendGroups>()).Groups);
    }

    [Fact]
    public async Task A_group_that_was_called_and_is_refused_leaves_its_room_to_the_next()
    {
        var scheduler = Start(TestSettings.Scheduler with { LookaheadSeqs = 0, QueueDepth = 1 });
        var decoder = await JoinAsync(scheduler, 0);
        for (var id = 1; id <= 4; id++)
            Tell(scheduler, new SubmitGroup(Groups.Of(id, 4, 8, 8, 8, 8)));
        Assert.Equal(3, (await ExpectMsgAsync<NoRoom>()).Id.Value);
        Assert.Equal(4, (await ExpectMsgAsync<NoRoom>()).Id.Value);
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
        await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([new GroupId(3)], (await ExpectMsgAsync<SendGroups>()).Groups);

        Tell(scheduler, new SubmitGroup(Groups.Of(3, 4, 8, 8, 8, 8), Fingerprint: "another model"));

        Assert.Equal(3, (await ExpectMsgAsync<GroupGivenUp>()).Id.Value);
        Assert.Equal([new GroupId(4)], (await ExpectMsgAsync<SendGroups>()).Groups);
    }

    [Fact]
    public async Task The_places_of_a_client_that_is_gone_are_given_to_others()
    {
        var scheduler = Start(TestSettings.Scheduler with { LookaheadSeqs = 0, QueueDepth = 1 });
        var decoder = await JoinAsync(scheduler, 0);
        for (var id = 1; id <= 2; id++)
            Tell(scheduler, new SubmitGroup(Groups.Of(id, 4, 8, 8, 8, 8)));
        var gone = CreateTestProbe();
        scheduler.Tell(new SubmitGroup(Groups.Of(3, 4, 8)), gone);
        await gone.ExpectMsgAsync<NoRoom>();
        Tell(scheduler, new SubmitGroup(Groups.Of(4, 4, 8, 8, 8, 8)));
        await ExpectMsgAsync<NoRoom>();
        Watch(gone);
        Sys.Stop(gone);
        await ExpectTerminatedAsync(gone);
        await SettledAsync(scheduler);

        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
        await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([new GroupId(4)], (await ExpectMsgAsync<SendGroups>()).Groups);
    }
}
