using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

/// <summary>Groups of more samples than a decoder takes.</summary>
public sealed class LargeGroupTests
{
    [Fact]
    public void A_group_larger_than_any_decoder_goes_where_there_is_room_for_a_part_of_it()
    {
        var rig = new BookRig(lookahead: 2);
        var first = rig.Join(BookRig.Here(0))!;
        rig.Book.Submit(Groups.Of(1, 4, 8, 8), required: null);
        rig.Book.Submit(Groups.Of(2, 4, [.. Enumerable.Repeat(8, 10)]), required: null);
        rig.Book.Submit(Groups.Of(3, 4, 8), required: null);

        Assert.Equal([(1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (2, 3)], BookRig.Given(first));
        rig.Finish(first, new GroupId(1));
        Assert.Equal([(2, 4), (2, 5)], BookRig.Given(first));
        var second = rig.Join(BookRig.Here(1))!;
        Assert.Equal([(2, 6), (2, 7), (2, 8), (2, 9), (3, 0)], BookRig.Given(second));
    }

    [Fact]
    public void A_group_that_needs_more_blocks_than_any_decoder_has_goes_in_parts_too()
    {
        var rig = new BookRig();
        var first = rig.Join(BookRig.Here(0, maxNumSeqs: 8, blocks: 10))!;
        rig.Book.Submit(Groups.Of(1, 4, 4), required: null);
        rig.Book.Submit(Groups.Of(2, 4, 16, 16, 16), required: null);

        // The prompt's block, and 4 more of each sample.
        Assert.Equal([(1, 0), (2, 0)], BookRig.Given(first));
    }

    [Fact]
    public void A_group_that_another_decoder_could_take_whole_waits_for_it()
    {
        var rig = new BookRig();
        var small = rig.Join(BookRig.Here(0, maxNumSeqs: 2))!;
        var large = rig.Join(BookRig.Here(1, maxNumSeqs: 4))!;
        rig.Book.Submit(Groups.Of(1, 4, 8, 8, 8), required: null);
        rig.Book.Submit(Groups.Of(2, 4, 8), required: null);
        rig.Book.Submit(Groups.Of(3, 4, 8, 8, 8, 8), required: null);

        Assert.DoesNotContain(BookRig.Given(small).Concat(BookRig.Given(large)), given => given.Group == 3);
    }

    [Fact]
    public void What_is_assigned_of_a_group_of_very_many_samples_fits_into_messages()
    {
        var rig = new BookRig();
        var decoder = rig.Join(BookRig.Here(0, maxNumSeqs: 200_000, blocks: 2_000_000))!;
        var sampling = new SamplingParams { MaxTokens = 8 };
        var group = new GroupRequest(new GroupId(1), [1, 2], [.. Enumerable.Repeat(sampling, 150_000)]);
        rig.Book.Submit(group, required: null);

        var assigned = BookRig.Assigned(decoder);
        Assert.Equal(
            Enumerable.Range(0, 150_000), assigned.SelectMany(assign => assign.Samples).Select(start => start.Sample));
        Assert.All(assigned, assign => Assert.InRange(
            WireLimits.BytesOf(assign.Samples[0]) * assign.Samples.Length, 1, WireLimits.FrameBytes - WireLimits.RequestBytes));
    }
}
