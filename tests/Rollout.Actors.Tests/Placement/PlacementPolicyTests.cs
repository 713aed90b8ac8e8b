using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

public sealed class PlacementPolicyTests
{
    [Fact]
    public void A_group_goes_where_the_fewest_sequences_wait_for_each_place()
    {
        var policy = new PlacementPolicy(lookaheadSeqs: 100);
        DecoderLoad[] decoders = [Load(0, places: 4, assigned: 3), Load(1, places: 16, assigned: 8), Load(2, 2, 2)];

        Assert.True(policy.TryChoose(decoders, 4, out var chosen));

        Assert.Equal("cuda:1", chosen.Id.Device);
    }

    [Fact]
    public void Nobody_takes_a_group_while_all_have_enough_ahead_of_them()
    {
        var policy = new PlacementPolicy(lookaheadSeqs: 2);

        Assert.True(policy.TryChoose([Load(0, places: 4, assigned: 3)], 3, out _));
        Assert.False(policy.TryChoose([Load(0, places: 4, assigned: 3)], 4, out _));
        Assert.False(policy.TryChoose([], 1, out _));
    }

    [Fact]
    public void The_choice_has_room_or_is_idle_and_no_other_with_room_is_less_loaded() => Prop.ForAll(
        Gen.Choose(1, 6).Two().Select(pair => Load(0, pair.Item1, 3 * (pair.Item2 - 1))).ArrayOf().ToArbitrary(),
        Gen.Choose(1, 20).ToArbitrary(),
        (decoders, sequences) =>
        {
            const int lookahead = 3;
            var withRoom = decoders
                .Where(decoder => decoder.AssignedSeqs == 0
                    || decoder.AssignedSeqs + sequences <= decoder.MaxNumSeqs + lookahead)
                .ToArray();

            var found = new PlacementPolicy(lookahead).TryChoose(decoders, sequences, out var chosen);

            Assert.Equal(withRoom.Length > 0, found);
            if (found)
            {
                Assert.Contains(chosen, withRoom);
                Assert.All(withRoom, other => Assert.True(
                    chosen.AssignedSeqs * other.MaxNumSeqs <= other.AssignedSeqs * chosen.MaxNumSeqs));
            }
        }).QuickCheckThrowOnFailure();

    private static DecoderLoad Load(int number, int places, int assigned) =>
        new(new DecoderId(new HostId("here:1", 1), $"cuda:{number}"), 1, places) { AssignedSeqs = assigned };
}
