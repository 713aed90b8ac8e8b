using FsCheck.Fluent;
using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Blocks;

public sealed class BlockPoolTests
{
    [Fact]
    public void A_block_comes_back_with_its_last_reader_and_no_sooner() =>
        Prop.ForAll<byte>(siblings =>
        {
            var pool = new BlockPool(blockCount: 1);
            var block = pool.Allocate();
            for (var i = 0; i < siblings; i++)
                pool.Share(block, 1);
            for (var i = 0; i < siblings; i++)
                pool.Release(block, hittable: false);
            var heldByLast = pool.FreeCount == 0;
            pool.Release(block, hittable: false);
            return heldByLast && pool.FreeCount == 1;
        }).Holds();

    [Fact]
    public void Every_block_is_taken_once_before_the_pool_is_exhausted()
    {
        var pool = new BlockPool(blockCount: 5);
        Assert.Equal([0, 1, 2, 3, 4], Enumerable.Range(0, 5).Select(_ => pool.Allocate().Value));
        var error = Assert.Throws<InvalidOperationException>(() => pool.Allocate());
        Assert.Equal("no block to take: all 5 are in use", error.Message);
    }

    [Fact]
    public void Cached_blocks_are_taken_last_and_in_the_order_of_their_release()
    {
        var pool = new BlockPool(blockCount: 4);
        var blocks = Enumerable.Range(0, 4).Select(_ => pool.Allocate()).ToArray();
        pool.Release(blocks[2], hittable: true);
        pool.Release(blocks[0], hittable: true);
        pool.Release(blocks[3], hittable: true);
        pool.Release(blocks[1], hittable: false);
        pool.Share(blocks[0], 2);
        Assert.Equal([blocks[1], blocks[2], blocks[3]], Enumerable.Range(0, 3).Select(_ => pool.Allocate()));
    }

    [Fact]
    public void Calls_that_contradict_a_blocks_state_throw_with_its_id()
    {
        var pool = new BlockPool(blockCount: 2);
        var block = pool.Allocate();
        pool.Release(block, hittable: true);
        Assert.Equal(
            "block 0 is released more often than it was taken",
            Assert.Throws<InvalidOperationException>(() => pool.Release(block, hittable: true)).Message);
        Assert.Equal(
            "block 1 is free and can't be shared",
            Assert.Throws<InvalidOperationException>(() => pool.Share(new BlockId(1), 1)).Message);
        foreach (var unknown in new[] { -1, 2 })
        {
            Assert.Contains(
                $"block {unknown} is not one of the pool's blocks 0 to 1",
                Assert.Throws<ArgumentOutOfRangeException>(() => pool.References(new(unknown))).Message,
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_audit_sees_a_lost_reference_and_an_entry_that_leads_to_a_free_block()
    {
        var pool = new BlockPool(blockCount: 2);
        var cache = new PrefixCache(pool);
        Assert.Null(LedgerAudit.Imbalance(pool, cache, []));
        var block = pool.Allocate();
        Assert.Equal("block 0 has 1 references but 0 table entries", LedgerAudit.Imbalance(pool, cache, []));
        pool.Release(block, hittable: false);
        cache.Register(BlockHash.After(BlockHash.Root, [1], new PolicyVersion(0)), block);
        Assert.Equal("block 0 is free but can be hit", LedgerAudit.Imbalance(pool, cache, []));
    }
}
