using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>What clients and decoders are told. The test's own actor is the client.</summary>
public sealed class SchedulerActorTests : SchedulerActorTest
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

        decoder.Report(scheduler, [], [new GroupRejection(assigned.Group.Id, assigned.Assignment, "too long")]);

        Assert.Equal("too long", (await ExpectMsgAsync<GroupGivenUp>()).Reason);
        Assert.Equal([assigned.Group.Id], ((ForgetGroups)await decoder.CommandAsync()).Groups);
    }

    [Fact]
    public async Task A_client_is_asked_after_outcomes_that_it_has_not_acknowledged_until_it_has()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)), new SubmitGroup(Groups.Of(2, 4, 8)));
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
        await ExpectMsgAsync<CompletionsReady>();
        await ExpectMsgAsync<CompletionsReady>();

        for (var times = 0; times < 2; times++)
        {
            Advance(TimeSpan.FromSeconds(17));
            Assert.Equal([1, 2], (await ExpectMsgAsync<OutcomesKept>()).Groups.Select(id => id.Value));
        }
        Tell(scheduler, new OutcomesTaken([new GroupId(1), new GroupId(2)]));
        await SettledAsync(scheduler);
        Advance(TimeSpan.FromSeconds(60));

        Tell(scheduler, new SubmitGroup(Groups.Of(3, 4, 8)));
        Assert.IsType<ForgetGroups>(await decoder.CommandAsync());
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
        Assert.Equal(3, (await ExpectMsgAsync<CompletionsReady>()).Id.Value);
    }

    [Fact]
    public async Task A_group_that_names_another_model_than_the_decoders_is_answered_with_the_reason()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8), Fingerprint: "another"));

        var failed = await ExpectMsgAsync<GroupGivenUp>();
        Assert.StartsWith("the decoders have another model or tokenizer than it requires", failed.Reason);
        await ExpectNothingMoreAsync(scheduler, decoder);
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
        var again = decoder.Report(scheduler, [DecoderDouble.Progress(assigned, assigned.Samples[0], FinishReason.Stop, 5)]);
        scheduler.Tell(again, decoder.Ref);
        decoder.Report(scheduler, [], [new GroupRejection(assigned.Group.Id, assigned.Assignment, "changed its mind")]);

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
    public async Task Overdue_groups_say_where_they_were_and_the_wait_for_a_decoder_does_not_count()
    {
        var timeout = TimeSpan.FromSeconds(100);
        IgnoreMessages(message => message is OutcomesKept);
        var scheduler = Start(TestSettings.Scheduler with { LookaheadSeqs = 0, GroupTimeout = timeout });
        var decoder = new DecoderDouble(CreateTestProbe(), Decoder(0), maxNumSeqs: 1);
        await decoder.JoinAsync(scheduler);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)), new SubmitGroup(Groups.Of(2, 4, 8)));
        var first = await decoder.AssignedAsync();
        await SettledAsync(scheduler);

        Advance(timeout + TimeSpan.FromSeconds(1));
        await AssertOverdueAsync(1);
        Assert.Equal([first.Group.Id], ((ForgetGroups)await decoder.CommandAsync()).Groups);
        decoder.Report(scheduler, []);
        Assert.Equal(2, (await decoder.AssignedAsync()).Group.Id.Value);

        Advance(timeout);
        Tell(scheduler, new SubmitGroup(Groups.Of(3, 4, 8)));
        await SettledAsync(scheduler);
        Advance(TimeSpan.FromSeconds(1));
        await AssertOverdueAsync(2);

        async Task AssertOverdueAsync(long id)
        {
            var failed = await ExpectMsgAsync<GroupGivenUp>();
            Assert.Equal(id, failed.Id.Value);
            Assert.Contains(timeout.ToString(), failed.Reason);
            Assert.Contains($"on {Decoder(0)}", failed.Reason);
        }
    }

    [Fact]
    public async Task A_group_that_makes_tokens_may_take_longer_than_its_timeout()
    {
        var timeout = TimeSpan.FromSeconds(100);
        IgnoreMessages(message => message is OutcomesKept);
        var scheduler = Start(TestSettings.Scheduler with { GroupTimeout = timeout });
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var assigned = await decoder.AssignedAsync();
        for (var token = 0; token < 4; token++)
        {
            await SettledAsync(scheduler);
            Advance(timeout * 0.8);
            await SettledAsync(scheduler);
            decoder.Report(
                scheduler,
                [DecoderDouble.Progress(assigned, assigned.Samples[0], null, 5) with { Start = token }]);
        }
        await SettledAsync(scheduler);
        Assert.False(HasMessages);
        Advance(timeout * 1.1);

        var failed = await ExpectMsgAsync<GroupGivenUp>();
        Assert.Equal($"no token was sampled for {timeout}, on {Decoder(0)}", failed.Reason);
    }

    [Fact]
    public async Task A_group_that_no_decoder_could_sample_is_answered_with_the_reason()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        var group = Groups.Of(1, 4, 8);
        Tell(scheduler, new SubmitGroup(group with { Samples = [group.Samples[0] with { StopTexts = ["a", ""] }] }));

        Assert.Equal("a stop text is empty", (await ExpectMsgAsync<GroupGivenUp>()).Reason);
        await ExpectNothingMoreAsync(scheduler, decoder);
    }

    [Fact]
    public async Task A_group_too_long_for_every_decoder_fails_at_once_and_holds_up_no_other()
    {
        var scheduler = Start();
        var small = new DecoderDouble(CreateTestProbe(), Decoder(0), maxModelLength: 20);
        await small.JoinAsync(scheduler);
        var large = new DecoderDouble(CreateTestProbe(), Decoder(1), maxModelLength: 40);
        await large.JoinAsync(scheduler);
        foreach (var maxTokens in (int[])[41, 31, 30])
            Tell(scheduler, new SubmitGroup(Groups.Of(maxTokens, 10, maxTokens)));

        foreach (var maxTokens in (int[])[41, 31])
        {
            Assert.Equal(
                $"prompt of 10 and {maxTokens} new tokens exceed the longest sequence of 40 tokens that a decoder can run",
                (await ExpectMsgAsync<GroupGivenUp>()).Reason);
        }
        Assert.Equal(30, (await large.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task A_group_that_can_not_be_sent_is_answered_with_the_size()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 600_000, 1)));

        Assert.Contains("prompt of 600000 tokens", (await ExpectMsgAsync<GroupGivenUp>()).Reason);
        await ExpectNothingMoreAsync(scheduler, decoder);
    }

    [Fact]
    public async Task A_cancelled_group_is_forgotten_and_its_place_goes_to_a_waiting_group()
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
    public async Task A_decoder_of_another_model_is_refused_with_a_sentence_and_the_others_go_on()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        var stranger = new DecoderDouble(CreateTestProbe(), Decoder(1)) { Fingerprint = "another" };
        scheduler.Tell(stranger.Here, stranger.Ref);

        var refused = await stranger.ExpectAsync<DecoderRefused>();
        Assert.Contains("another model or tokenizer", refused.Reason);
        Assert.Equal(decoder.Epoch, refused.Epoch);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        await decoder.AssignedAsync();
    }

    [Fact]
    public async Task What_a_decoder_hands_back_for_its_new_weights_goes_to_one_that_has_the_old()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8), decoder.Policy));
        var assigned = await decoder.AssignedAsync();
        Assert.Equal(decoder.Policy, assigned.RequiredPolicy);

        decoder.Policy = new Policy(Run: 5, new PolicyVersion(3));
        decoder.Report(scheduler, [DecoderDouble.Progress(assigned, assigned.Samples[0], null, 1, 2) with { HandedBack = true }]);

        Tell(scheduler, new SubmitGroup(Groups.Of(2, 4, 8)));
        Assert.Equal(2, (await decoder.AssignedAsync()).Group.Id.Value);
        var moved = await (await JoinAsync(scheduler, 1)).AssignedAsync();
        Assert.Equal(1, moved.Group.Id.Value);
        Assert.Equal([1, 2], moved.Samples[0].Sampled.Tokens);
    }

    [Fact]
    public async Task A_group_that_nobody_has_the_weights_for_ends_after_its_time_and_says_so()
    {
        var scheduler = Start();
        await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8), new Policy(Run: 9, default)));
        await SettledAsync(scheduler);

        Advance(TimeSpan.FromSeconds(1));
        await SettledAsync(scheduler);
        Advance(TestSettings.Scheduler.DecoderTimeout);

        Assert.Equal(
            $"there has been no decoder that holds policy 0 of run 9 for {TestSettings.Scheduler.DecoderTimeout}",
            (await ExpectMsgAsync<GroupGivenUp>()).Reason);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_followed_a_scheduler_with_a_faster_clock_is_answered_above_it(bool submits)
    {
        var scheduler = Start();
        var seen = new SchedulerEpoch(SchedulerEpoch.Largest.Value - 10);

        Tell(scheduler, submits ? new SubmitGroup(Groups.Of(1, 4, 8), null, seen) : new OfferGroups([], seen));
        Tell(scheduler, new QueryScheduler());

        var report = await FishForMessageAsync<SchedulerReport>(_ => true);
        Assert.True(report.Epoch.Value > seen.Value, $"{report.Epoch}");
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
}
