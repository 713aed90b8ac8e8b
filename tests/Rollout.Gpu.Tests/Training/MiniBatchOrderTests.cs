using FsCheck.Fluent;
using Rollout.Gpu.Training;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

public sealed class MiniBatchOrderTests
{
    [Fact]
    public void Every_group_is_in_one_mini_batch_and_only_the_last_may_be_smaller() =>
        Prop.ForAll<byte, byte, ulong>((groups, size, seed) =>
        {
            var order = new MiniBatchOrder(seed, size);
            var miniBatches = order.Of(groups, step: 3, iteration: 1);
            return miniBatches.SelectMany(one => one).Order().SequenceEqual(Enumerable.Range(0, groups))
                && miniBatches.All(one => one.SequenceEqual(one.Order()))
                && miniBatches.SkipLast(1).All(one => one.Length == size)
                && miniBatches.Count == order.Count(groups);
        }).Holds();

    [Fact]
    public void The_whole_batch_is_one_mini_batch_in_its_own_order()
    {
        Assert.Equal([0, 1, 2], Assert.Single(new MiniBatchOrder(7, 0).Of(3, 1, 0)));
        Assert.Equal([0, 1, 2], Assert.Single(new MiniBatchOrder(7, 3).Of(3, 1, 0)));
        Assert.Empty(Assert.Single(new MiniBatchOrder(7, 3).Of(0, 1, 0)));
    }

    [Fact]
    public void Seed_step_and_iteration_each_change_the_order_and_nothing_else_does()
    {
        static string Order(ulong seed, int step, int iteration) => string.Join(
            ';', new MiniBatchOrder(seed, 8).Of(64, step, iteration).Select(one => string.Join(',', one)));

        var first = Order(1, 2, 0);
        Assert.Equal(first, Order(1, 2, 0));
        Assert.Equal(4, new HashSet<string> { first, Order(2, 2, 0), Order(1, 3, 0), Order(1, 2, 1) }.Count);
    }
}
