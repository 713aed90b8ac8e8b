using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Protocol;
using Rollout.Actors.Scheduling;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

public sealed class SchedulerActorTests() : ActorTest(VirtualTime)
{
    private static readonly Completion[] Done = [new(0, [1, 2], [-1, -2], [new(default, 0)], FinishReason.Length)];

    [Fact]
    public async Task A_group_goes_to_a_decoder_and_its_answer_to_whoever_submitted_it()
    {
        var scheduler = Start();
        var decoder = Welcome(scheduler, 0);
        var group = Groups.Of(1, 4, 8, 8);
        Tell(scheduler, new SubmitGroup(group));

        var assigned = await decoder.ExpectMsgAsync<AssignGroup>();
        Assert.Same(group, assigned.Group);
        Finish(scheduler, 0, assigned);

        Assert.Equal(new GroupFinished(group.Id, Done), await ExpectMsgAsync<GroupFinished>());
    }

    [Fact]
    public async Task A_rejected_group_is_answered_with_the_reason()
    {
        var scheduler = Start();
        var decoder = Welcome(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));

        var assigned = await decoder.ExpectMsgAsync<AssignGroup>();
        Tell(scheduler, new GroupRejected(Decoder(0), assigned.Group.Id, assigned.Attempt, "too long"));

        Assert.Equal(new GroupFailed(assigned.Group.Id, "too long"), await ExpectMsgAsync<GroupFailed>());
    }

    [Fact]
    public async Task A_group_that_is_submitted_and_answered_many_times_gets_one_answer()
    {
        var scheduler = Start();
        var decoder = Welcome(scheduler, 0);
        var group = new SubmitGroup(Groups.Of(1, 4, 8));
        Tell(scheduler, group, group, group);
        var assigned = await decoder.ExpectMsgAsync<AssignGroup>();
        for (var i = 0; i < 3; i++)
            Finish(scheduler, 0, assigned);
        Tell(scheduler, new GroupRejected(Decoder(0), assigned.Group.Id, assigned.Attempt, "changed its mind"));
        Tell(scheduler, new SubmitGroup(Groups.Of(2, 4, 8)));
        Finish(scheduler, 0, await decoder.ExpectMsgAsync<AssignGroup>());

        Assert.Equal(1, (await ExpectMsgAsync<GroupFinished>()).Id.Value);
        Assert.Equal(2, (await ExpectMsgAsync<GroupFinished>()).Id.Value);
    }

    [Fact]
    public async Task A_lost_decoders_groups_go_to_another_and_its_late_answers_are_dropped()
    {
        var scheduler = Start();
        var first = Welcome(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var lost = await first.ExpectMsgAsync<AssignGroup>();
        var second = Welcome(scheduler, 1);

        Tell(scheduler, new DecoderLost(Decoder(0), 1, "out of memory", ComesBack: false));
        var assigned = await second.ExpectMsgAsync<AssignGroup>();
        Assert.Equal(lost.Group, assigned.Group);
        Assert.NotEqual(lost.Attempt, assigned.Attempt);
        Tell(scheduler, new GroupRejected(Decoder(0), lost.Group.Id, lost.Attempt, "late"));
        Tell(scheduler, new GroupRejected(Decoder(1), lost.Group.Id, lost.Attempt, "mixed up"));
        Tell(scheduler, new GroupRejected(Decoder(0), lost.Group.Id, assigned.Attempt, "mixed up"));
        Finish(scheduler, 1, assigned);

        await ExpectMsgAsync<GroupFinished>();
    }

    [Fact]
    public async Task The_groups_of_a_lost_host_go_to_another_host()
    {
        var scheduler = Start();
        var first = CreateTestProbe();
        Tell(scheduler, new DecoderReady(Decoder(0, "gone:1"), 1, first, 4));
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        await first.ExpectMsgAsync<AssignGroup>();

        Tell(scheduler, new HostLost(new HostId("gone:1", 1)));
        var second = Welcome(scheduler, 1);

        Assert.Equal(1, (await second.ExpectMsgAsync<AssignGroup>()).Group.Id.Value);
    }

    [Fact]
    public async Task What_an_earlier_incarnation_had_is_assigned_to_the_next_one()
    {
        var scheduler = Start();
        var first = Welcome(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var lost = await first.ExpectMsgAsync<AssignGroup>();

        var second = Welcome(scheduler, 0, incarnation: 2);
        var assigned = await second.ExpectMsgAsync<AssignGroup>();
        Finish(scheduler, 0, lost);
        Tell(scheduler, new GroupRejected(Decoder(0), lost.Group.Id, assigned.Attempt, "the answer"));

        Assert.Equal("the answer", (await ExpectMsgAsync<GroupFailed>()).Reason);
    }

    [Fact]
    public async Task Word_of_an_earlier_incarnations_end_takes_nothing_from_the_present_one()
    {
        var scheduler = Start();
        Welcome(scheduler, 0);
        var second = Welcome(scheduler, 0, incarnation: 2);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var assigned = await second.ExpectMsgAsync<AssignGroup>();

        Tell(scheduler, new DecoderLost(Decoder(0), 1, "late word", ComesBack: true));
        Finish(scheduler, 0, assigned);

        await ExpectMsgAsync<GroupFinished>();
    }

    [Fact]
    public async Task A_decoder_that_is_ready_again_keeps_what_it_works_on()
    {
        var scheduler = Start();
        var decoder = Welcome(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var assigned = await decoder.ExpectMsgAsync<AssignGroup>();

        Tell(scheduler, new DecoderReady(Decoder(0), 1, decoder, 4));
        Finish(scheduler, 0, assigned);

        await ExpectMsgAsync<GroupFinished>();
        await ExpectNothingMoreAsync(scheduler, decoder);
    }

    [Fact]
    public async Task When_the_last_decoder_is_lost_for_good_everything_fails_with_its_reason_until_one_comes_back()
    {
        var scheduler = Start();
        var decoder = Welcome(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        Tell(scheduler, new SubmitGroup(Groups.Of(2, 4, 1, 1, 1, 1, 1, 1, 1, 1)));
        await decoder.ExpectMsgAsync<AssignGroup>();

        Tell(scheduler, new DecoderLost(Decoder(0), 1, "the device fell off the bus", ComesBack: false));
        Tell(scheduler, new SubmitGroup(Groups.Of(3, 4, 8)));

        for (var i = 1; i <= 3; i++)
        {
            var failed = await ExpectMsgAsync<GroupFailed>();
            Assert.Equal(i, failed.Id.Value);
            Assert.Contains("the device fell off the bus", failed.Reason);
            Assert.Contains(Decoder(0).ToString(), failed.Reason);
        }
        var back = Welcome(scheduler, 0, incarnation: 2);
        Tell(scheduler, new SubmitGroup(Groups.Of(4, 4, 8)));
        Assert.Equal(4, (await back.ExpectMsgAsync<AssignGroup>()).Group.Id.Value);
    }

    [Fact]
    public async Task Groups_wait_for_a_decoder_that_comes_back_even_when_the_others_do_not()
    {
        var scheduler = Start();
        Welcome(scheduler, 0);
        Welcome(scheduler, 1);
        Tell(scheduler, new DecoderLost(Decoder(0), 1, "restarting", ComesBack: true));
        Tell(scheduler, new DecoderLost(Decoder(1), 1, "for good", ComesBack: false));
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));

        var back = Welcome(scheduler, 0, incarnation: 2);

        Finish(scheduler, 0, await back.ExpectMsgAsync<AssignGroup>());
        await ExpectMsgAsync<GroupFinished>();
    }

    [Fact]
    public async Task Groups_fail_when_the_decoder_that_was_to_come_back_does_not()
    {
        var scheduler = Start();
        Welcome(scheduler, 0);
        Tell(scheduler, new DecoderLost(Decoder(0), 1, "restarting", ComesBack: true));
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        Tell(scheduler, new DecoderLost(Decoder(0), 2, "no memory", ComesBack: false));

        Assert.Contains("no memory", (await ExpectMsgAsync<GroupFailed>()).Reason);
    }

    [Fact]
    public async Task Overdue_groups_fail_and_say_where_they_were()
    {
        var timeout = TimeSpan.FromSeconds(100);
        var scheduler = Start(new SchedulerSettings { LookaheadSeqs = 0, GroupTimeout = timeout });
        var decoder = CreateTestProbe();
        Tell(scheduler, new DecoderReady(Decoder(0), 1, decoder, 1));
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)), new SubmitGroup(Groups.Of(2, 4, 8)));
        var first = await decoder.ExpectMsgAsync<AssignGroup>();
        await SettledAsync(scheduler);

        Advance(timeout);
        Tell(scheduler, new SubmitGroup(Groups.Of(3, 4, 8)));
        await SettledAsync(scheduler);
        Advance(TimeSpan.FromSeconds(1));

        var failed = new[] { await ExpectMsgAsync<GroupFailed>(), await ExpectMsgAsync<GroupFailed>() }
            .OrderBy(group => group.Id.Value).ToArray();
        Assert.Equal([1, 2], failed.Select(group => group.Id.Value));
        Assert.Contains($"on {Decoder(0)}", failed[0].Reason);
        Assert.Contains("waiting for a decoder", failed[1].Reason);
        Assert.All(failed, group => Assert.Contains(timeout.ToString(), group.Reason));
        Assert.Equal(new AbortGroup(first.Group.Id, first.Attempt), await decoder.ExpectMsgAsync<AbortGroup>());
        Assert.Equal(3, (await decoder.ExpectMsgAsync<AssignGroup>()).Group.Id.Value);
    }

    [Fact]
    public async Task A_cancelled_group_is_aborted_where_it_runs_and_never_answered()
    {
        var scheduler = Start();
        var decoder = Welcome(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var assigned = await decoder.ExpectMsgAsync<AssignGroup>();

        Tell(scheduler, new CancelGroups([new GroupId(77), assigned.Group.Id]));
        Assert.Equal(new AbortGroup(assigned.Group.Id, assigned.Attempt), await decoder.ExpectMsgAsync<AbortGroup>());
        Finish(scheduler, 0, assigned);

        await ExpectNothingMoreAsync(scheduler, decoder);
    }

    [Fact]
    public async Task The_place_of_a_cancelled_group_goes_to_one_that_waits()
    {
        var scheduler = Start();
        var decoder = Welcome(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 1, 1, 1, 1, 1, 1, 1, 1)), new SubmitGroup(Groups.Of(2, 4, 8)));
        var assigned = await decoder.ExpectMsgAsync<AssignGroup>();

        Tell(scheduler, new CancelGroups([assigned.Group.Id]));

        await decoder.ExpectMsgAsync<AbortGroup>();
        Assert.Equal(2, (await decoder.ExpectMsgAsync<AssignGroup>()).Group.Id.Value);
    }

    [Fact]
    public async Task Submitting_again_moves_the_answer_to_the_new_sender()
    {
        var scheduler = Start();
        var decoder = Welcome(scheduler, 0);
        var group = new SubmitGroup(Groups.Of(1, 4, 8));
        var second = CreateTestProbe();
        Tell(scheduler, group);
        scheduler.Tell(group, second);

        Finish(scheduler, 0, await decoder.ExpectMsgAsync<AssignGroup>());

        await second.ExpectMsgAsync<GroupFinished>();
        await ExpectNothingMoreAsync(scheduler, decoder);
    }

    private IActorRef Start(SchedulerSettings? settings = null) =>
        Sys.ActorOf(SchedulerActor.Props(settings ?? TestSettings.Scheduler, Clock));

    /// <summary>A decoder of four places is ready.</summary>
    private TestProbe Welcome(IActorRef scheduler, int number, int incarnation = 1)
    {
        var decoder = CreateTestProbe();
        Tell(scheduler, new DecoderReady(Decoder(number), incarnation, decoder, 4));
        return decoder;
    }

    private void Finish(IActorRef scheduler, int decoder, AssignGroup assigned) =>
        Tell(scheduler, new GroupDecoded(Decoder(decoder), assigned.Group.Id, assigned.Attempt, Done));

    /// <summary>The next that decoder and client hear of is a group that is submitted now.</summary>
    private async Task ExpectNothingMoreAsync(IActorRef scheduler, TestProbe decoder)
    {
        var marker = Groups.Of(999, 1, 1);
        Tell(scheduler, new SubmitGroup(marker));
        var assigned = await decoder.ExpectMsgAsync<AssignGroup>();
        Assert.Equal(marker, assigned.Group);
        Finish(scheduler, 0, assigned);
        Assert.Equal(marker.Id, (await ExpectMsgAsync<GroupFinished>()).Id);
    }
}
