using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

/// <summary>Decoders of different sizes: each gets what it can run, and what only some can run waits for them.</summary>
public sealed class DecoderSizeTests
{
    private readonly BookRig _rig = new();

    [Theory]
    [InlineData(19, 1000)]      // by its max-model-len
    [InlineData(1000, 4)]       // by its pool of 4 blocks of 4 tokens
    public void A_group_goes_where_its_longest_sample_can_run(int maxModelLength, int blocks)
    {
        var small = _rig.Join(BookRig.Here(0, blocks: blocks, maxModelLength: maxModelLength))!;
        var large = _rig.Join(BookRig.Here(1, maxModelLength: 20, blocks: 5))!;

        _rig.Book.Submit(Groups.Of(1, 10, 2, 10), required: null);
        _rig.Book.Submit(Groups.Of(2, 10, 2, 6), required: null);

        Assert.Equal([(1, 0), (1, 1)], BookRig.Given(large));
        Assert.Equal([(2, 0), (2, 1)], BookRig.Given(small));
    }

    [Fact]
    public void What_waits_for_a_large_decoder_keeps_nobody_waiting_who_can_run_on_a_small_one()
    {
        var small = _rig.Join(BookRig.Here(0, maxModelLength: 20))!;
        var large = _rig.Join(BookRig.Here(1, maxModelLength: 100))!;
        for (var i = 1; i <= 2; i++)
            _rig.Book.Submit(Groups.Of(i, 10, 50, 50, 50), required: null);
        for (var i = 3; i <= 5; i++)
            _rig.Book.Submit(Groups.Of(i, 10, 5, 5), required: null);

        Assert.Equal([1], BookRig.Given(large).Select(given => given.Group).Distinct());
        Assert.Equal([3, 4], BookRig.Given(small).Select(given => given.Group).Distinct());
        _rig.Finish(small, new GroupId(3));
        Assert.Equal([5], BookRig.Given(small).Select(given => given.Group).Distinct());
        _rig.Finish(large, new GroupId(1));
        Assert.Equal([2], BookRig.Given(large).Select(given => given.Group).Distinct());
    }

    [Fact]
    public void Where_a_larger_decoder_comes_what_waited_for_one_runs_there()
    {
        _rig.Join(BookRig.Here(0, maxModelLength: 20));
        _rig.Book.Submit(Groups.Of(1, 10, 50), required: null);

        var large = _rig.Join(BookRig.Here(1, maxModelLength: 60))!;

        Assert.Equal([(1, 0)], BookRig.Given(large));
    }

    [Fact]
    public void A_group_that_no_decoder_can_run_fails_with_the_lengths()
    {
        _rig.Join(BookRig.Here(0, maxModelLength: 20));
        _rig.Join(BookRig.Here(1, maxModelLength: 60, blocks: 10));
        _rig.Book.Submit(Groups.Of(1, 10, 30), required: null);
        _rig.Book.Submit(Groups.Of(2, 10, 3, 31), required: null);

        _rig.Book.FailUnfit();

        Assert.Null(_rig.Book.Find(new GroupId(1))!.Outcome);
        Assert.Equal(
            "prompt of 10 and 31 new tokens exceed the longest sequence of 40 tokens that a decoder can run",
            _rig.Failure(new GroupId(2)));
    }

    [Fact]
    public void A_group_whose_decoder_died_waits_for_another_of_its_size_and_no_longer_than_said()
    {
        _rig.Join(BookRig.Here(0, maxModelLength: 20));
        var large = BookRig.Here(1, maxModelLength: 60);
        _rig.Join(large);
        _rig.Book.Submit(Groups.Of(1, 10, 50), required: null);
        _rig.Registry.Remove(large.Id.Host);

        _rig.Book.FailUnfit();
        _rig.Book.FailStranded(TimeSpan.FromMinutes(1));
        _rig.Book.FailStranded(TimeSpan.FromMinutes(5.9));
        Assert.Null(_rig.Book.Find(new GroupId(1))!.Outcome);
        _rig.Book.FailStranded(TimeSpan.FromMinutes(6));

        Assert.Equal(
            "there has been no decoder that can run sequences of 60 tokens for 00:05:00; the last one was"
            + $" {large.Id}, whose host left or died",
            _rig.Failure(new GroupId(1)));
    }

    [Fact]
    public void A_group_for_weights_that_no_decoder_holds_any_more_waits_no_longer_than_said()
    {
        var required = new Policy(3, new PolicyVersion(2));
        var here = BookRig.Here(0);
        _rig.Join(here);
        _rig.Book.Submit(Groups.Of(1, 10, 50), required);
        _rig.Book.FailStranded(TimeSpan.Zero);
        _rig.Join(here with { Policy = required, Leaving = true });     // it counts as long as it is there
        _rig.Book.FailStranded(TimeSpan.FromMinutes(6));
        _rig.Join(here);
        _rig.Book.FailStranded(TimeSpan.FromMinutes(7));
        Assert.Null(_rig.Book.Find(new GroupId(1))!.Outcome);

        _rig.Book.FailStranded(TimeSpan.FromMinutes(12));

        Assert.Equal(
            "there has been no decoder that holds policy 2 of run 3 for 00:05:00", _rig.Failure(new GroupId(1)));
    }

    [Fact]
    public void Nothing_is_fetched_for_a_dry_decoder_that_could_not_run_it()
    {
        var rig = new BookRig(lookahead: 4);
        var busy = rig.Join(BookRig.Here(0))!;
        rig.Book.Submit(Groups.Of(1, 10, 50, 50, 50, 50), required: null);
        rig.Book.Submit(Groups.Of(2, 10, 50, 50, 50, 50), required: null);
        BookRig.Given(busy);
        rig.Report(busy, [], new DeviceLoad(4, 4, 900));

        rig.Join(BookRig.Here(1, maxModelLength: 59));
        Assert.Empty(busy.Commands.TakeSendable(default));
        rig.Join(BookRig.Here(2, maxModelLength: 60));

        Assert.Equal(2, Assert.IsType<RecallSamples>(Assert.Single(busy.Commands.TakeSendable(default))).Id.Value);
    }
}
