using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Scheduling;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>The test's own actor is the client.</summary>
public sealed class SchedulerActorTests() : ActorTest(VirtualTime)
{
    [Fact]
    public async Task A_group_goes_to_a_decoder_and_its_answer_to_whoever_submitted_it()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        var group = Groups.Of(1, 4, 8, 8);
        Tell(scheduler, new SubmitGroup(group));

        var assigned = await decoder.AssignedAsync();
        Assert.Same(group, assigned.Group);
        Assert.Equal([0, 1], assigned.Samples.Select(start => start.Sample));
        decoder.Finish(scheduler, assigned, 5, 6);

        var ready = await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal((group.Id, 2), (ready.Id, ready.Samples));
        Assert.All(ready.Completions, completion => Assert.Equal([5, 6], completion.Tokens));
    }

    [Fact]
    public async Task A_group_that_can_not_be_finished_is_answered_with_the_reason()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var assigned = await decoder.AssignedAsync();

        decoder.Report(scheduler, [], [new GroupRejection(assigned.Group.Id, assigned.Attempt, "too long")]);

        Assert.Equal("too long", (await ExpectMsgAsync<GroupGivenUp>()).Reason);
        Assert.Equal([assigned.Group.Id], ((ForgetGroups)await decoder.CommandAsync()).Groups);
    }

    [Fact]
    public async Task A_group_that_is_submitted_and_reported_many_times_gets_one_answer()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        var group = new SubmitGroup(Groups.Of(1, 4, 8));
        Tell(scheduler, group, group, group);
        var assigned = await decoder.AssignedAsync();
        decoder.Finish(scheduler, assigned, 5);
        var again = decoder.Report(scheduler, [DecoderDouble.Progress(assigned, assigned.Samples[0], SampleState.Stopped, 5)]);
        scheduler.Tell(again, decoder.Ref);
        decoder.Report(scheduler, [], [new GroupRejection(assigned.Group.Id, assigned.Attempt, "changed its mind")]);

        Assert.Equal(1, (await ExpectMsgAsync<CompletionsReady>()).Id.Value);
        await ExpectNothingMoreAsync(scheduler, decoder);
    }

    [Fact]
    public async Task An_answer_is_given_again_until_the_client_says_that_it_has_it()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        var group = new SubmitGroup(Groups.Of(1, 4, 8));
        Tell(scheduler, group);
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
        await ExpectMsgAsync<CompletionsReady>();

        Tell(scheduler, group);
        await ExpectMsgAsync<CompletionsReady>();
        Tell(scheduler, new OutcomesTaken([group.Group.Id]));
        Tell(scheduler, group);

        // It is a new group now: the decoder forgets the old one first.
        Assert.IsType<ForgetGroups>(await decoder.CommandAsync());
        Assert.Equal(1, (await decoder.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task A_dead_decoders_samples_go_on_elsewhere_from_the_tokens_that_it_reported()
    {
        var scheduler = Start();
        var first = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8, 8, 8)));
        var assigned = await first.AssignedAsync();
        first.Report(scheduler,
        [
            DecoderDouble.Progress(assigned, assigned.Samples[0], SampleState.Stopped, 1, 2, 3),
            DecoderDouble.Progress(assigned, assigned.Samples[1], SampleState.Underway, 4, 5),
        ]);
        var second = await JoinAsync(scheduler, 1);

        Tell(scheduler, new DecoderLost(Decoder(0), 1, "out of memory", ComesBack: false));
        var moved = await second.AssignedAsync();
        Assert.Equal([1, 2], moved.Samples.Select(start => start.Sample));
        Assert.Equal([4, 5], moved.Samples[0].Tokens);
        Assert.Equal([-4f, -5f], moved.Samples[0].Logprobs);
        Assert.Empty(moved.Samples[1].Tokens);
        Assert.NotEqual(assigned.Attempt, moved.Attempt);
        first.Finish(scheduler, assigned, 9, 9, 9, 9);      // late: it is nobody any more
        second.Finish(scheduler, moved, 6, 7);

        var ready = await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([1, 2, 3], ready.Completions[0].Tokens);
        Assert.Equal([4, 5, 6, 7], ready.Completions[1].Tokens);
        Assert.Equal([6, 7], ready.Completions[2].Tokens);
    }

    [Fact]
    public async Task The_groups_of_a_lost_host_go_to_another_and_the_host_counts_for_nothing_for_ever()
    {
        var scheduler = Start();
        var first = new DecoderDouble(CreateTestProbe(), Decoder(0, "gone:1"));
        await first.JoinAsync(scheduler);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var assigned = await first.AssignedAsync();

        Tell(scheduler, new HostLost(first.Id.Host));
        scheduler.Tell(first.Here with { Incarnation = 9 }, first.Ref);     // it was only frozen, and thaws
        first.Finish(scheduler, assigned, 6);
        var second = await JoinAsync(scheduler, 1);
        second.Finish(scheduler, await second.AssignedAsync(), 7);

        var ready = await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([7], ready.Completions[0].Tokens);
        var process = new DecoderDouble(CreateTestProbe(), new DecoderId(new HostId("gone:1", 2), "cuda:0"));
        await process.JoinAsync(scheduler);     // another process at that address
    }

    [Fact]
    public async Task What_an_earlier_incarnation_had_goes_to_the_next_one()
    {
        var scheduler = Start();
        var first = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var lost = await first.AssignedAsync();

        var second = await JoinAsync(scheduler, 0, incarnation: 2);
        var assigned = await second.AssignedAsync();
        first.Finish(scheduler, lost, 5);
        Tell(scheduler, new DecoderLost(Decoder(0), 1, "late word", ComesBack: true));
        second.Finish(scheduler, assigned, 7);

        var ready = await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([7], ready.Completions[0].Tokens);
    }

    [Fact]
    public async Task A_command_that_gets_lost_is_said_again()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var lost = await decoder.ExpectAsync<AssignSamples>();       // and the decoder never hears of it
        await SettledAsync(scheduler);

        Advance(TimeSpan.FromSeconds(5));
        scheduler.Tell(decoder.Here, decoder.Ref);

        Assert.Equal(lost, await decoder.AssignedAsync());
    }

    [Fact]
    public async Task Where_the_weights_are_not_those_that_a_group_is_to_be_sampled_with_it_waits()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        var wanted = new Policy(Run: 3, new PolicyVersion(1));
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8), wanted), new SubmitGroup(Groups.Of(2, 4, 8)));
        Assert.Equal(2, (await decoder.AssignedAsync()).Group.Id.Value);

        decoder.Policy = wanted with { Run = 4 };
        scheduler.Tell(decoder.Here, decoder.Ref);
        Tell(scheduler, new SubmitGroup(Groups.Of(3, 4, 8)));
        Assert.Equal(3, (await decoder.AssignedAsync()).Group.Id.Value);
        decoder.Policy = wanted;
        scheduler.Tell(decoder.Here, decoder.Ref);

        Assert.Equal(1, (await decoder.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task When_the_last_decoder_is_lost_for_good_everything_fails_with_its_reason_until_one_comes_back()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        Tell(scheduler, new SubmitGroup(Groups.Of(2, 4, 1, 1, 1, 1, 1, 1, 1, 1)));
        await decoder.AssignedAsync();

        Tell(scheduler, new DecoderLost(Decoder(0), 1, "the device fell off the bus", ComesBack: false));
        Tell(scheduler, new SubmitGroup(Groups.Of(3, 4, 8)));

        for (var i = 1; i <= 3; i++)
        {
            var failed = await ExpectMsgAsync<GroupGivenUp>();
            Assert.Equal(i, failed.Id.Value);
            Assert.Contains("the device fell off the bus", failed.Reason);
            Assert.Contains(Decoder(0).ToString(), failed.Reason);
        }
        var back = await JoinAsync(scheduler, 0, incarnation: 2);
        Tell(scheduler, new SubmitGroup(Groups.Of(4, 4, 8)));
        Assert.Equal(4, (await back.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task Groups_wait_for_a_decoder_that_comes_back_even_when_the_others_do_not()
    {
        var scheduler = Start();
        await JoinAsync(scheduler, 0);
        await JoinAsync(scheduler, 1);
        Tell(scheduler, new DecoderLost(Decoder(0), 1, "restarting", ComesBack: true));
        Tell(scheduler, new DecoderLost(Decoder(1), 1, "for good", ComesBack: false));
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));

        var back = await JoinAsync(scheduler, 0, incarnation: 2);

        back.Finish(scheduler, await back.AssignedAsync(), 5);
        await ExpectMsgAsync<CompletionsReady>();
    }

    [Fact]
    public async Task Where_the_last_host_dies_groups_wait_for_another_and_no_longer_than_said_naming_the_dead_one()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        await decoder.AssignedAsync();
        Tell(scheduler, new HostLost(decoder.Id.Host));
        await SettledAsync(scheduler);

        Advance(TestSettings.Scheduler.DecoderTimeout);
        await SettledAsync(scheduler);
        Advance(TimeSpan.FromSeconds(2));

        Assert.Contains(decoder.Id.ToString(), (await ExpectMsgAsync<GroupGivenUp>()).Reason);
    }

    [Fact]
    public async Task Overdue_groups_fail_and_say_where_they_were()
    {
        var timeout = TimeSpan.FromSeconds(100);
        var scheduler = Start(TestSettings.Scheduler with { LookaheadSeqs = 0, GroupTimeout = timeout });
        var decoder = new DecoderDouble(CreateTestProbe(), Decoder(0), maxNumSeqs: 1);
        await decoder.JoinAsync(scheduler);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)), new SubmitGroup(Groups.Of(2, 4, 8)));
        var first = await decoder.AssignedAsync();
        await SettledAsync(scheduler);

        Advance(timeout);
        Tell(scheduler, new SubmitGroup(Groups.Of(3, 4, 8)));
        await SettledAsync(scheduler);
        Advance(TimeSpan.FromSeconds(1));

        var failed = new[] { await ExpectMsgAsync<GroupGivenUp>(), await ExpectMsgAsync<GroupGivenUp>() };
        Assert.Equal([1, 2], failed.Select(group => group.Id.Value));
        Assert.Contains($"on {Decoder(0)}", failed[0].Reason);
        Assert.Contains("waiting for a decoder", failed[1].Reason);
        Assert.All(failed, group => Assert.Contains(timeout.ToString(), group.Reason));
        Assert.Equal([first.Group.Id], ((ForgetGroups)await decoder.CommandAsync()).Groups);
        decoder.Report(scheduler, []);
        Assert.Equal(3, (await decoder.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task A_cancelled_group_is_forgotten_where_it_runs_and_its_place_goes_to_one_that_waits()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 1, 1, 1, 1, 1, 1, 1, 1)), new SubmitGroup(Groups.Of(2, 4, 8)));
        var assigned = await decoder.AssignedAsync();

        Tell(scheduler, new CancelGroups([new GroupId(77), assigned.Group.Id]));

        Assert.Equal([assigned.Group.Id], ((ForgetGroups)await decoder.CommandAsync()).Groups);
        decoder.Finish(scheduler, assigned, 5);
        Assert.Equal(2, (await decoder.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task The_groups_of_a_client_that_is_gone_are_cancelled()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        var client = CreateTestProbe();
        scheduler.Tell(new SubmitGroup(Groups.Of(1, 4, 8)), client);
        await decoder.AssignedAsync();

        Sys.Stop(client);

        Assert.Equal(1, ((ForgetGroups)await decoder.CommandAsync()).Groups.Single().Value);
        Assert.Equal(0, (await scheduler.Ask<SchedulerReport>(new QueryScheduler(), TimeSpan.FromSeconds(30))).Groups);
    }

    [Fact]
    public async Task Submitting_again_moves_the_answer_to_the_new_sender()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        var group = new SubmitGroup(Groups.Of(1, 4, 8));
        var second = CreateTestProbe();
        Tell(scheduler, group);
        scheduler.Tell(group, second);

        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);

        await second.ExpectMsgAsync<CompletionsReady>();
        await ExpectNothingMoreAsync(scheduler, decoder);
    }

    [Fact]
    public async Task More_than_may_wait_is_sent_away_and_told_when_there_is_room_again()
    {
        var scheduler = Start(TestSettings.Scheduler with { LookaheadSeqs = 0, QueueDepth = 1 });
        var decoder = await JoinAsync(scheduler, 0);
        for (var i = 1; i <= 3; i++)
            Tell(scheduler, new SubmitGroup(Groups.Of(i, 4, 8, 8, 8, 8)));

        Assert.Equal(3, (await ExpectMsgAsync<NoRoom>()).Id.Value);
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);

        await ExpectMsgAsync<CompletionsReady>();
        await ExpectMsgAsync<RoomAgain>();
        Assert.Equal(2, (await decoder.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task A_decoder_of_another_model_is_refused_with_a_sentence_and_the_others_go_on()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        var stranger = new DecoderDouble(CreateTestProbe(), Decoder(1)) { Fingerprint = "another" };
        scheduler.Tell(stranger.Here, stranger.Ref);

        Assert.Contains("another model or tokenizer", (await stranger.ExpectAsync<DecoderRefused>()).Reason);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        await decoder.AssignedAsync();
    }

    [Fact]
    public async Task A_large_answer_comes_in_parts_that_each_fit_into_a_message()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 60_000, 60_000, 60_000)));
        decoder.Finish(scheduler, await decoder.AssignedAsync(), new int[40_000]);

        for (var sample = 0; sample < 3; sample++)
        {
            var part = await ExpectMsgAsync<CompletionsReady>();
            Assert.Equal((3, sample), (part.Samples, part.Completions.Single().Sample));
        }
    }

    private IActorRef Start(SchedulerSettings? settings = null) =>
        Sys.ActorOf(SchedulerActor.Props(settings ?? TestSettings.Scheduler, new SchedulerEpochs(Clock), time: Clock));

    /// <summary>A decoder of four places is ready.</summary>
    private async Task<DecoderDouble> JoinAsync(IActorRef scheduler, int number, int incarnation = 1)
    {
        var decoder = new DecoderDouble(CreateTestProbe(), Decoder(number), incarnation);
        await decoder.JoinAsync(scheduler);
        return decoder;
    }

    /// <summary>The next that decoder and client hear of is a group that is submitted now.</summary>
    private async Task ExpectNothingMoreAsync(IActorRef scheduler, DecoderDouble decoder)
    {
        var marker = Groups.Of(999, 1, 1);
        Tell(scheduler, new SubmitGroup(marker));
        var assigned = await decoder.AssignedAsync();
        Assert.Equal(marker, assigned.Group);
        decoder.Finish(scheduler, assigned, 5);
        Assert.Equal(marker.Id, (await ExpectMsgAsync<CompletionsReady>()).Id);
    }
}
