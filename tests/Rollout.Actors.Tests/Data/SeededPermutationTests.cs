using FsCheck.Fluent;
using Rollout.Actors.Data;
using Xunit;

namespace Rollout.Actors.Tests.Data;

public sealed class SeededPermutationTests
{
    [Fact]
    public void Every_item_stands_at_exactly_one_position() =>
        Prop.ForAll(Gen.Choose(1, 600).ToArbitrary(), Gen.Choose(0, 1 << 30).ToArbitrary(), (count, key) =>
        {
            var permutation = new SeededPermutation(count, (ulong)key);
            return Enumerable.Range(0, count).Select(at => permutation[at]).Order()
                .SequenceEqual(Enumerable.Range(0, count));
        }).Holds();

    [Fact]
    public void Epochs_differ_and_a_cursor_always_finds_the_same()
    {
        int[] first = [.. Enumerable.Range(0, 100).Select(at => SeededPermutation.AtCursor(100, 7, at))];
        int[] second = [.. Enumerable.Range(100, 100).Select(at => SeededPermutation.AtCursor(100, 7, at))];
        Assert.NotEqual(first, second);
        Assert.Equal(first.Order(), second.Order());
        Assert.Equal(second[42], SeededPermutation.AtCursor(100, 7, 142));
        Assert.NotEqual(first, Enumerable.Range(0, 100).Select(at => SeededPermutation.AtCursor(100, 8, at)));
    }

    [Fact]
    public void Over_many_keys_every_item_comes_first_about_equally_often()
    {
        const int Count = 10, Keys = 20_000;
        var first = new int[Count];
        for (var key = 0UL; key < Keys; key++)
            first[new SeededPermutation(Count, SplitMix64.Mix(key))[0]]++;

        // Expected 2000 each with a standard deviation of 42.
        Assert.All(first, times => Assert.InRange(times, 1750, 2250));
    }

    [Fact]
    public void The_order_is_the_same_in_every_version_of_the_product() =>
        Assert.Equal(
            [4, 3, 2, 7, 5, 6, 1, 0],
            Enumerable.Range(0, 8).Select(at => SeededPermutation.AtCursor(8, seed: 1, cursor: at)));

    [Fact]
    public void Positions_outside_are_errors()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new SeededPermutation(3, 0)[3]);
        Assert.Throws<ArgumentOutOfRangeException>(() => SeededPermutation.AtCursor(3, 0, -1));
    }
}
