using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

/// <summary>When groups fail because nothing becomes of them, and when they don't.</summary>
public sealed class GroupDeadlineTests
{
    private static readonly TimeSpan Timeout = TestSettings.Scheduler.GroupTimeout;

    [Fact]
    public void A_group_that_waits_on_its_decoder_behind_a_long_one_is_not_overdue()
    {
        var rig = new BookRig(lookahead: 4);
        var decoder = rig.Join(BookRig.Here(0, maxNumSeqs: 1))!;
        rig.Book.Submit(Groups.Of(1, 4, 100), required: null);
        rig.Book.Submit(Groups.Of(2, 4, 8), required: null);
        Assert.Equal(2, BookRig.Given(decoder).Length);

        for (var token = 0; token < 10; token++)
        {
            rig.Now += Timeout * 0.8;
            ReportToken(rig, decoder, token, waiting: 1);
            Assert.Empty(rig.Book.TakeOverdue());
        }
        // Nothing waits there any more: it should run, and makes no token.
        for (var token = 10; token < 12; token++)
        {
            rig.Now += Timeout * 0.8;
            ReportToken(rig, decoder, token, waiting: 0);
        }
        Assert.Equal([2], rig.Book.TakeOverdue().Select(group => group.Id.Value));
    }

    [Fact]
    public void A_group_that_waits_behind_others_on_a_decoder_that_is_stuck_is_overdue()
    {
        var rig = new BookRig(lookahead: 4);
        var decoder = rig.Join(BookRig.Here(0, maxNumSeqs: 1))!;
        rig.Book.Submit(Groups.Of(1, 4, 100), required: null);
        rig.Book.Submit(Groups.Of(2, 4, 8), required: null);
        ReportToken(rig, decoder, 0, waiting: 1);

        rig.Now = Timeout * 1.1;

        Assert.Equal([1, 2], rig.Book.TakeOverdue().Select(group => group.Id.Value));
    }

    [Fact]
    public void A_group_whose_decoder_was_lost_has_its_whole_time_on_the_next_one()
    {
        var rig = new BookRig();
        var here = BookRig.Here(0, maxNumSeqs: 1);
        rig.Join(here);
        var busy = rig.Join(BookRig.Here(1, maxNumSeqs: 1))!;
        rig.Book.Submit(Groups.Of(1, 4, 8), required: null);
        rig.Book.Submit(Groups.Of(2, 4, 100), required: null);
        rig.Lose(here, comesBack: false);

        for (var token = 0; token < 3; token++)
        {
            rig.Now += Timeout * 0.9;
            ReportToken(rig, busy, token, waiting: 0, group: 2);
            Assert.Empty(rig.Book.TakeOverdue());
        }
        rig.Finish(busy, new GroupId(2));
        Assert.Equal(busy, rig.Book.Find(new GroupId(1))!.Slots[0].Decoder);
        rig.Now += Timeout * 0.9;
        Assert.DoesNotContain(rig.Book.TakeOverdue(), group => group.Outcome is null);
        rig.Now += Timeout * 0.2;
        Assert.Equal([1], rig.Book.TakeOverdue().Where(group => group.Outcome is null).Select(group => group.Id.Value));
    }

    [Fact]
    public void Groups_that_clients_keep_fail_together_where_no_decoder_comes()
    {
        var rig = new BookRig();
        for (var id = 1; id <= 50; id++)
        {
            var came = rig.Book.Submit(Groups.Of(id, 4, 8), required: null);
            Assert.Equal(id == 1 ? Submission.Taken : Submission.NoRoom, came);
        }

        rig.Book.FailStranded(rig.Now);
        rig.Now = TestSettings.Scheduler.DecoderTimeout;
        rig.Book.FailStranded(rig.Now);

        Assert.Equal(Enumerable.Range(1, 50), rig.Book.TakeEnded().Select(group => (int)group.Id.Value).Order());
        Assert.Equal(rig.Failure(new GroupId(1)), rig.Failure(new GroupId(50)));
        Assert.Equal(Submission.Ended, rig.Book.Offer(new OfferedGroup(new GroupId(50), 1)));
    }

    [Fact]
    public void Samples_of_a_lost_host_do_not_go_to_its_other_decoders_first()
    {
        var rig = new BookRig();
        rig.Join(BookRig.Here(0, host: "lost:1"));
        rig.Join(BookRig.Here(1, host: "lost:1"));
        rig.Book.Submit(Groups.Of(1, 4, 8, 8), required: null);
        rig.Book.Submit(Groups.Of(2, 4, 8, 8), required: null);

        var lost = rig.Registry.Remove(new HostId("lost:1", 1));

        Assert.Equal([2, 2], lost.Select(decoder => decoder.OrphanedSeqs));
    }

    private static void ReportToken(BookRig rig, KnownDecoder decoder, int token, int waiting, int group = 1)
    {
        var slot = rig.Book.Find(new GroupId(group))!.Slots[0];
        var sampled = new SampledTokens([5], [-1], [new VersionSpan(default, 0)]);
        rig.Report(
            decoder, [new SampleProgress(new GroupId(group), 0, slot.Assignment, token, sampled, null)],
            new DeviceLoad(1, waiting, 100));
    }
}
