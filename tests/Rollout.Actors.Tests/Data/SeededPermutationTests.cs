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
    public void Positions_outside_are_errors() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new SeededPermutation(3, 0)[3]);
}
