using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

/// <summary>Which model the decoders of a cluster must have, whoever comes and goes.</summary>
public sealed class CommonModelTests
{
    private readonly BookRig _rig = new();

    [Fact]
    public void While_groups_wait_for_a_decoder_none_of_another_model_goes_on_with_them()
    {
        var first = BookRig.Here(0);
        _rig.Join(first);
        _rig.Book.Submit(Groups.Of(1, 4, 8), required: null);
        _rig.Registry.Remove(first.Id.Host);

        Assert.Null(_rig.Registry.Register(BookRig.Here(1, model: "another"), out var refusal));

        Assert.Contains("another model or tokenizer", refusal);
        Assert.Equal("tiny", _rig.Book.Fingerprint);
        Assert.Equal([(1, 0)], BookRig.Given(_rig.Join(BookRig.Here(2))!));
    }

    [Fact]
    public void While_the_only_decoder_is_started_anew_none_of_another_model_takes_its_place()
    {
        var first = BookRig.Here(0);
        _rig.Join(first);
        _rig.Lose(first, comesBack: true);

        Assert.Null(_rig.Join(BookRig.Here(1, model: "another")));

        Assert.NotNull(_rig.Join(first with { Incarnation = 2 }));
    }

    [Fact]
    public void Where_nothing_is_to_be_done_and_no_decoder_is_left_the_next_one_decides()
    {
        var first = BookRig.Here(0);
        var decoder = _rig.Join(first)!;
        _rig.Book.Submit(Groups.Of(1, 4, 8), required: null);
        _rig.Finish(decoder, Groups.Of(1, 4, 8).Id);
        _rig.Registry.Remove(first.Id.Host);

        Assert.Null(_rig.Book.Fingerprint);
        Assert.NotNull(_rig.Join(BookRig.Here(1, model: "another")));
        Assert.Null(_rig.Join(BookRig.Here(2)));
    }

    [Fact]
    public void A_group_that_names_its_model_waits_for_a_decoder_of_it_whatever_was_there_before()
    {
        var gone = BookRig.Here(0, model: "another");
        _rig.Join(gone);
        _rig.Registry.Remove(gone.Id.Host);
        _rig.Book.Submit(Groups.Of(1, 4, 8), required: null, fingerprint: "tiny");

        Assert.Null(_rig.Join(BookRig.Here(1, model: "another")));

        Assert.Equal([(1, 0)], BookRig.Given(_rig.Join(BookRig.Here(2))!));
    }

    [Fact]
    public void A_group_that_names_no_model_goes_to_the_next_decoder_whatever_was_there_before()
    {
        var gone = BookRig.Here(0, model: "another");
        _rig.Join(gone);
        _rig.Registry.Remove(gone.Id.Host);
        _rig.Book.Submit(Groups.Of(1, 4, 8), required: null);

        Assert.Equal([(1, 0)], BookRig.Given(_rig.Join(BookRig.Here(1))!));
    }

    [Fact]
    public void A_group_that_names_another_model_than_the_one_of_who_worked_before_fails()
    {
        _rig.Book.Pause();
        _rig.Book.Submit(Groups.Of(1, 4, 8), required: null, fingerprint: "another");

        var rightful = _rig.Join(BookRig.Here(0) with { Seen = new SchedulerEpoch(3) })!;
        _rig.Join(BookRig.Here(0));     // and has nothing to tell
        _rig.Book.Resume();

        var failed = Assert.Single(_rig.Book.TakeEnded());
        Assert.Equal(
            new GroupFailed(
                new GroupId(1), "the decoders have another model or tokenizer than it requires: tiny, expected another"),
            failed.Outcome);
        Assert.Empty(BookRig.Given(rightful));
        Assert.Equal("tiny", _rig.Book.Fingerprint);
    }

    [Theory]
    [InlineData(3, 0)]
    [InlineData(0, 2)]
    public void After_a_hand_over_a_decoder_that_worked_before_decides_and_a_new_one_makes_way(long seen, int holding)
    {
        _rig.Book.Pause();
        var stranger = BookRig.Here(0, model: "another");
        var early = _rig.Join(stranger with { Seen = default })!;
        _rig.Join(stranger);        // and it follows this scheduler, as it was told to

        var rightful = BookRig.Here(1) with { Seen = new SchedulerEpoch(seen), HeldSamples = holding };
        Assert.NotNull(_rig.Join(rightful));

        Assert.True(early.IsGone);
        Assert.Equal("tiny", _rig.Book.Fingerprint);
        Assert.Null(_rig.Registry.Register(stranger, out var refusal));
        Assert.Contains("another model or tokenizer", refusal);
    }

    [Fact]
    public void Of_two_that_worked_before_the_first_decides()
    {
        _rig.Book.Pause();
        var veteran = new SchedulerEpoch(3);
        Assert.NotNull(_rig.Join(BookRig.Here(0) with { Seen = veteran }));
        Assert.NotNull(_rig.Join(BookRig.Here(0)));
        Assert.Null(_rig.Join(BookRig.Here(1, model: "another") with { Seen = veteran }));
    }

    [Fact]
    public void Once_groups_are_given_out_nobody_makes_way_any_more()
    {
        var decoder = _rig.Join(BookRig.Here(0));

        Assert.Null(_rig.Join(BookRig.Here(1, model: "another") with { Seen = new SchedulerEpoch(3), HeldSamples = 4 }));

        Assert.False(decoder!.IsGone);
    }
}
