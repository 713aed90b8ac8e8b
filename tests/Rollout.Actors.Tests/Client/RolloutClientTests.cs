using Akka.Actor;
using FsCheck.Fluent;
using Rollout.Actors.Client;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Client;

/// <summary>The test's own actor is the scheduler.</summary>
public sealed class RolloutClientTests() : ActorTest(VirtualTime)
{
    private readonly Dictionary<long, GroupId> _ids = [];       // as the client numbers them
    private SchedulerEpoch _epoch = new(3);

    [Fact]
    public async Task Every_group_is_given_once_in_the_order_of_the_answers()
    {
        var all = CollectAsync(Requests(5));
        var submitted = await SubmissionsAsync(5);
        foreach (var id in (long[])[3, 1, 3, 4, 0, 77, 3, 2, 1])
            Answer(submitted[0].Session, id);

        Assert.Equal([3, 1, 4, 0, 2], (await all).Select(outcome => outcome.Id.Value));
    }

    [Fact]
    public async Task A_failed_group_is_an_outcome_like_any_other()
    {
        var all = CollectAsync(Requests(1));
        var (_, session) = (await SubmissionsAsync(1))[0];
        Tell(session, new GroupGivenUp(Epoch, _ids[0], "no room"));

        Assert.Equal([new GroupFailed(new GroupId(0), "no room")], await all);
    }

    [Fact]
    public async Task A_group_that_can_not_be_sent_fails_at_once_and_the_others_are_submitted()
    {
        var all = CollectAsync([Groups.Of(1, 600_000, 5), Groups.Of(2, 3, 5)]);
        Answer((await SubmissionsAsync(1))[0].Session, 2);

        var outcomes = await all;
        Assert.Contains("prompt of 600000 tokens", Assert.IsType<GroupFailed>(outcomes[0]).Reason);
        Assert.Equal(2, Assert.IsType<GroupFinished>(outcomes[1]).Id.Value);
    }

    [Fact]
    public async Task A_group_that_no_decoder_could_sample_fails_at_once_and_the_others_are_submitted()
    {
        var all = CollectAsync([Groups.Of(1, 0, 5), Groups.Of(2, 3, 0), Groups.Of(3, 3, 5)]);
        Answer((await SubmissionsAsync(1))[0].Session, 3);

        var outcomes = await all;
        Assert.Equal(
            ["the prompt has no tokens", "max-tokens is 0: it must be at least 1"],
            outcomes.OfType<GroupFailed>().Select(failed => failed.Reason));
        Assert.Equal(3, Assert.IsType<GroupFinished>(outcomes[2]).Id.Value);
    }

    [Fact]
    public async Task An_answer_with_samples_that_were_not_asked_for_fails_the_group()
    {
        var all = CollectAsync(Requests(1));
        var (group, session) = (await SubmissionsAsync(1))[0];

        Tell(session, new CompletionsReady(Epoch, group.Id, 1, [Sample(300_000_000)]));

        Assert.Contains("other samples than the 1", Assert.IsType<GroupFailed>((await all).Single()).Reason);
    }

    [Fact]
    public async Task Asked_after_outcomes_it_says_again_which_it_has_and_offers_what_it_misses()
    {
        await using var reader = Client().GenerateAsync(Requests(3)).GetAsyncEnumerator();
        var moving = reader.MoveNextAsync();
        var session = (await SubmissionsAsync(3))[0].Session;
        Answer(session, 0);
        Assert.True(await moving);      // group 0 has been read
        Answer(session, 1);             // and group 1 waits to be
        await SettledAsync(session);
        Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([0], (await FishForMessageAsync<OutcomesTaken>(_ => true)).Groups.Select(id => id.Value));

        Tell(session, new OutcomesKept(Epoch, [_ids[0], _ids[1], _ids[2]]));

        Assert.Equal([_ids[0]], (await ExpectMsgAsync<OutcomesTaken>()).Groups);
        Assert.Equal([new OfferedGroup(_ids[2], 1)], (await ExpectMsgAsync<OfferGroups>()).Groups);
    }

    [Fact]
    public async Task The_scheduler_is_told_which_weights_and_which_model_the_groups_require()
    {
        var required = new Policy(5, new PolicyVersion(2));
        await using var reader = Client().GenerateAsync(Requests(1), required: required, fingerprint: "tiny").GetAsyncEnumerator();
        var moving = reader.MoveNextAsync();

        var submitted = Submitted();
        Assert.Equal((required, "tiny"), (submitted.RequiredPolicy, submitted.Fingerprint));
        Answer(LastSender, 0);
        Assert.True(await moving);
    }

    [Fact]
    public async Task Nothing_to_do_ends_at_once() => Assert.Empty(await CollectAsync([]));

    [Fact]
    public void Whatever_the_window_no_more_groups_are_on_their_way_and_none_is_lost() => Prop.ForAll(
        Gen.Choose(1, 5).ToArbitrary(),
        Gen.Choose(0, 12).ToArbitrary(),
        Gen.Choose(0, int.MaxValue - 1).ToArbitrary(),
        (window, count, seed) =>
        {
            var random = new Random(seed);
            var read = 0;
            var all = CollectAsync(Requests(count).Select(group =>
            {
                read++;
                return group;
            }), window);
            var onTheirWay = new List<long>();
            for (var answered = 0; answered < count; answered++)
            {
                while (onTheirWay.Count < Math.Min(window, count - answered))
                    onTheirWay.Add(Submitted().Group.Id.Value);
                Assert.Equal(answered + onTheirWay.Count, read);
                var next = onTheirWay[random.Next(onTheirWay.Count)];
                onTheirWay.Remove(next);
                Answer(LastSender, next);
            }
            return all.ContinueWith(
                done => done.GetAwaiter().GetResult().Select(outcome => outcome.Id.Value).Order()
                    .SequenceEqual(Enumerable.Range(0, count).Select(id => (long)id)),
                TaskScheduler.Default);
        }).Holds(runs: 50);

    [Fact]
    public async Task Cancellation_cancels_what_is_on_its_way()
    {
        using var stop = new CancellationTokenSource();
        var all = CollectAsync(Requests(3), cancellation: stop.Token);
        Answer((await SubmissionsAsync(3))[0].Session, 1);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => all);
        // Stopping overtakes the answer to group 1 or does not: cancelling an answered group is harmless.
        var cancelled = (await FishForMessageAsync<CancelGroups>(_ => true)).Groups.Select(id => id.Value).ToHashSet();
        Assert.Superset(new HashSet<long> { 0, 2 }, cancelled);
        Assert.Subset(new HashSet<long> { 0, 1, 2 }, cancelled);
    }

    [Fact]
    public async Task Whoever_stops_reading_cancels_what_is_on_its_way()
    {
        var reading = Task.Run(async () =>
        {
            await foreach (var outcome in Client().GenerateAsync(Requests(3)))
                return outcome.Id.Value;
            return -1;
        });
        Answer((await SubmissionsAsync(3))[0].Session, 1);

        Assert.Equal(1, await reading);
        Assert.Equal(2, (await FishForMessageAsync<CancelGroups>(_ => true)).Groups.Length);
    }

    [Fact]
    public async Task An_id_that_is_submitted_twice_is_the_callers_error()
    {
        var all = CollectAsync([Groups.Of(1, 3, 5), Groups.Of(2, 3, 5), Groups.Of(1, 4, 5)]);

        var fault = await Assert.ThrowsAsync<InvalidOperationException>(() => all);

        Assert.Contains("group 1 is submitted twice", fault.Message);
        await SubmissionsAsync(2);
        Assert.Equal(2, (await FishForMessageAsync<CancelGroups>(_ => true)).Groups.Length);
    }

    [Fact]
    public async Task A_fault_of_the_source_is_the_callers_to_see_with_what_was_on_its_way_cancelled()
    {
        static IEnumerable<GroupRequest> Broken()
        {
            yield return Groups.Of(1, 3, 5);
            throw new InvalidDataException("line 2 is not JSON");
        }

        var fault = await Assert.ThrowsAsync<InvalidDataException>(() => CollectAsync(Broken()));

        Assert.Equal("line 2 is not JSON", fault.Message);
        await SubmissionsAsync(1);
        await FishForMessageAsync<CancelGroups>(_ => true);
    }

    [Fact]
    public async Task A_source_that_can_not_be_read_at_all_is_the_callers_to_see() =>
        await Assert.ThrowsAsync<NotSupportedException>(() => CollectAsync(new Unreadable()));

    [Fact]
    public async Task What_has_no_answer_is_asked_after_by_id_and_sent_again_where_it_is_missing()
    {
        var all = CollectAsync(Requests(3));
        var (_, session) = (await SubmissionsAsync(3))[0];
        Answer(session, 1);
        await PassAsync(session, seconds: 6);

        var asked = new[] { await OfferedAsync(), await OfferedAsync() };
        Assert.Equal([[_ids[0]], [_ids[2]]], asked);
        Tell(session, new GroupsUnderway(Epoch, [new GroupProgress(_ids[0], 3)]), new SendGroups(Epoch, [_ids[2]]));
        Assert.Equal([2], (await SubmissionsAsync(1)).Select(submission => submission.Group.Id.Value));
        Answer(session, 0);
        Answer(session, 2);
        Answer(session, 0);
        Assert.Equal([1, 0, 2], (await all).Select(outcome => outcome.Id.Value));
    }

    [Fact]
    public async Task Another_scheduler_is_offered_what_the_one_before_has_not_answered()
    {
        var all = CollectAsync(Requests(2));
        var (_, session) = (await SubmissionsAsync(2))[0];
        Tell(session, new GroupsUnderway(Epoch, []));
        var next = new SchedulerEpoch(Epoch.Value + 1);
        Tell(session, new GroupsUnderway(next, []));
        var offered = await FishForMessageAsync<OfferGroups>(_ => true);
        Assert.Equal((next, 2), (offered.Seen, offered.Groups.Length));
        Tell(session, new SendGroups(next, [.. offered.Groups.Select(group => group.Id)]));
        for (var i = 0; i < 2; i++)
            Assert.Equal(next, (await FishForMessageAsync<SubmitGroup>(_ => true)).Seen);
        // Frozen meanwhile, the old one has taken everybody for dead.
        Tell(session, new GroupGivenUp(Epoch, _ids[0], "no decoder is left"), new GroupGivenUp(Epoch, _ids[1], "no decoder is left"));
        _epoch = new SchedulerEpoch(Epoch.Value + 1);
        Answer(session, 0);
        Answer(session, 1);

        Assert.All(await all, outcome => Assert.IsType<GroupFinished>(outcome));
    }

    [Fact]
    public async Task What_the_scheduler_has_no_room_for_is_sent_again_only_when_it_asks()
    {
        var all = CollectAsync(Requests(6), window: 4);
        var (_, session) = (await SubmissionsAsync(4))[0];
        Tell(session, new NoRoom(Epoch, _ids[2]), new NoRoom(Epoch, _ids[3]));
        Answer(session, 0);
        Answer(session, 1);
        // Two more have come into the window: they are offered by their ids alone.
        var offered = new[] { (await OfferedAsync()).Single(), (await OfferedAsync()).Single() };
        Assert.Equal([4, 5], offered.Select(id => id.Value));
        await SettledAsync(session);

        Tell(session, new SendGroups(Epoch, [_ids[3], offered[0]]));
        Assert.Equal([3, 4], (await SubmissionsAsync(2)).Select(submission => submission.Group.Id.Value));
        Tell(session, new SendGroups(Epoch, [_ids[2], offered[1]]));
        Assert.Equal([2, 5], (await SubmissionsAsync(2)).Select(submission => submission.Group.Id.Value));
        foreach (var id in (long[])[2, 3, 4, 5])
            Answer(session, id);

        Assert.Equal(6, (await all).Count);
    }

    [Fact]
    public async Task Equal_numbers_of_two_clients_are_different_groups_to_the_scheduler()
    {
        var one = CollectAsync(Requests(1));
        var (first, firstSession) = (await SubmissionsAsync(1))[0];
        var other = CollectAsync(Requests(1));
        var (second, secondSession) = (await SubmissionsAsync(1))[0];
        Assert.NotEqual(first.Id, second.Id);

        Tell(firstSession, new GroupGivenUp(Epoch, second.Id, "the other's"), new GroupGivenUp(Epoch, first.Id, "its own"));
        Tell(secondSession, new GroupGivenUp(Epoch, second.Id, "its own"));

        Assert.Equal([new GroupFailed(new GroupId(0), "its own")], await one);
        Assert.Equal([new GroupFailed(new GroupId(0), "its own")], await other);
    }

    [Fact]
    public async Task A_group_is_complete_when_all_parts_of_it_have_come_in_any_order_and_twice()
    {
        var all = CollectAsync([Groups.Of(0, 3, 5, 5, 5)]);
        var (_, session) = (await SubmissionsAsync(1))[0];
        foreach (var sample in (int[])[2, 0, 2, 1])
            Tell(session, new CompletionsReady(Epoch, _ids[0], 3, [Sample(sample)]));

        var finished = Assert.IsType<GroupFinished>((await all).Single());
        Assert.Equal([0, 1, 2], finished.Completions.Select(completion => completion.Sample));
    }

    [Fact]
    public async Task It_says_what_it_has_so_that_the_scheduler_need_not_remember_it()
    {
        await using var reader = Client().GenerateAsync(Requests(2)).GetAsyncEnumerator();
        var first = reader.MoveNextAsync();
        var (_, session) = (await SubmissionsAsync(2))[0];
        Answer(session, 0);
        Assert.True(await first);
        await PassAsync(session, seconds: 1);
        Assert.Equal([_ids[0]], (await ExpectMsgAsync<OutcomesTaken>()).Groups);
        Answer(session, 1);

        Assert.True(await reader.MoveNextAsync());
        Assert.False(await reader.MoveNextAsync());
        Assert.Equal([_ids[1]], (await ExpectMsgAsync<OutcomesTaken>()).Groups);
    }

    [Fact]
    public async Task Whoever_reads_slowly_holds_back_what_is_submitted_and_acknowledged()
    {
        await using var reader = Client().GenerateAsync(Requests(5), window: 2).GetAsyncEnumerator();
        var first = reader.MoveNextAsync();
        var (_, session) = (await SubmissionsAsync(2))[0];
        Answer(session, 0);
        Answer(session, 1);
        Assert.True(await first);
        Assert.Equal(0, reader.Current.Id.Value);
        Assert.Equal(2, (await SubmissionsAsync(1))[0].Group.Id.Value);
        Answer(session, 1);         // again: it has it, but nobody has read it
        Answer(session, 2);
        await PassAsync(session, seconds: 1);
        Assert.Equal([_ids[0]], (await ExpectMsgAsync<OutcomesTaken>()).Groups);
        await PassAsync(session, seconds: 1);
        Assert.False(HasMessages);

        Assert.True(await reader.MoveNextAsync());

        Assert.Equal(1, reader.Current.Id.Value);
        Assert.Equal(3, (await SubmissionsAsync(1))[0].Group.Id.Value);
        await PassAsync(session, seconds: 1);
        Assert.Equal([_ids[1]], (await ExpectMsgAsync<OutcomesTaken>()).Groups);
    }

    [Fact]
    public async Task A_system_that_stops_before_all_was_submitted_does_not_look_like_the_end()
    {
        await using var reader = Client().GenerateAsync(Requests(4), window: 2).GetAsyncEnumerator();
        var first = reader.MoveNextAsync();
        var (_, session) = (await SubmissionsAsync(2))[0];
        Answer(session, 0);
        Answer(session, 1);
        Assert.True(await first);
        await SubmissionsAsync(1);
        Answer(session, 2);
        await SettledAsync(session);

        Sys.Stop(session);

        for (var unread = 1; unread <= 2; unread++)
            Assert.True(await reader.MoveNextAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.MoveNextAsync());
    }

    [Fact]
    public async Task An_actor_system_that_stops_under_it_does_not_look_like_the_end()
    {
        var all = CollectAsync(Requests(2));
        var (_, session) = (await SubmissionsAsync(2))[0];
        Answer(session, 1);
        await SettledAsync(session);

        Sys.Stop(session);

        var fault = await Assert.ThrowsAsync<InvalidOperationException>(() => all);
        Assert.Contains("1 group", fault.Message);
    }

    [Fact]
    public async Task A_window_of_nothing_is_refused() =>
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => CollectAsync(Requests(1), window: 0));

    private SchedulerEpoch Epoch => _epoch;

    private RolloutClient Client() => new(Sys, TestActor);

    private Task<List<GroupOutcome>> CollectAsync(
        IEnumerable<GroupRequest> groups, int window = 100, CancellationToken cancellation = default) =>
        Task.Run(async () =>
        {
            var outcomes = new List<GroupOutcome>();
            await foreach (var outcome in Client().GenerateAsync(groups, window, cancellation: cancellation))
                outcomes.Add(outcome);
            return outcomes;
        }, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60), CancellationToken.None);

    private async Task<(GroupRequest Group, IActorRef Session)[]> SubmissionsAsync(int count)
    {
        var submissions = new (GroupRequest, IActorRef)[count];
        for (var i = 0; i < count; i++)
        {
            var submit = await FishForMessageAsync<SubmitGroup>(_ => true);
            _ids[submit.Group.Id.Value] = submit.Group.Id;
            submissions[i] = (submit.Group, LastSender);
        }
        return submissions;
    }

    private async Task<GroupId[]> OfferedAsync() =>
        [.. (await FishForMessageAsync<OfferGroups>(_ => true)).Groups.Select(group => group.Id)];

    private SubmitGroup Submitted()
    {
        while (true)
        {
            if (ReceiveOne(null) is not SubmitGroup submit)
                continue;
            _ids[submit.Group.Id.Value] = submit.Group.Id;
            return submit;
        }
    }

    private void Answer(IActorRef session, long id) => Tell(
        session, new CompletionsReady(Epoch, _ids.GetValueOrDefault(id, new GroupId(id, 1)), 1, [Sample(0)]));

    private static Completion Sample(int number) => new(number, new SampledTokens([7], [-7], [new(default, 0)]), FinishReason.Length);

    /// <summary>Time passes, tick by tick.</summary>
    private async Task PassAsync(IActorRef session, int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            await SettledAsync(session);
            Advance(TimeSpan.FromSeconds(1));
        }
        await SettledAsync(session);
    }

    private static IEnumerable<GroupRequest> Requests(int count) =>
        Enumerable.Range(0, count).Select(i => Groups.Of(i, 3, 5));

    private sealed class Unreadable : IEnumerable<GroupRequest>
    {
        public IEnumerator<GroupRequest> GetEnumerator() => throw new NotSupportedException();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
