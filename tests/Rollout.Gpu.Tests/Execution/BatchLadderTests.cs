using FsCheck.Fluent;
using Rollout.Gpu.Execution;
using Xunit;

namespace Rollout.Gpu.Tests.Execution;

public sealed class BatchLadderTests
{
    [Fact]
    public void A_step_is_padded_to_the_first_size_that_holds_it() =>
        Prop.ForAll(Gen.Choose(1, 5000).ToArbitrary(), rows =>
        {
            var size = BatchLadder.Padded(rows);
            var sizes = BatchLadder.Sizes(rows).ToArray();
            return size >= rows && sizes[0] == size && (sizes.Length == 1 || sizes[1] < rows);
        }).Holds();

    [Fact]
    public void Every_size_is_padded_to_itself_and_the_last_is_one_row()
    {
        var sizes = BatchLadder.Sizes(2048).ToArray();
        Assert.Equal(sizes, sizes.Select(BatchLadder.Padded));
        Assert.Equal(sizes.OrderDescending().Distinct(), sizes);
        Assert.Equal([16, 8, 4, 2, 1], sizes[^5..]);
    }

    [Fact]
    public void No_more_than_an_eighth_of_a_large_step_is_padding() =>
        Assert.All(Enumerable.Range(129, 4000), rows => Assert.InRange(BatchLadder.Padded(rows), rows, rows * 9 / 8));
}
