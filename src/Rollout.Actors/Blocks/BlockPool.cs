using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// The blocks of one device with their reference counts. A block is free, in use (table entries refer to it) or cached
/// (nobody refers to it, and its keys and values can still be hit). All operations but the enumerations take constant
/// time and allocate no memory. A call that contradicts a block's state throws.
/// </summary>
public sealed class BlockPool
{
    private const int Unlinked = -1;

    // [blocks] the table entries that refer to each block.
    private readonly int[] _references;

    // The first FreeCount entries are the free blocks; the last of them is taken next.
    private readonly int[] _free;

    // Cached blocks form a ring from the least to the most recently released, closed by the entry after the
    // last block. Unlinked marks a block that is not in it.
    private readonly int[] _newer;
    private readonly int[] _older;

    public BlockPool(int blockCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blockCount, 1);
        _references = new int[blockCount];
        _free = new int[blockCount];
        for (var i = 0; i < blockCount; i++)
            _free[i] = blockCount - 1 - i;
        _newer = new int[blockCount + 1];
        _older = new int[blockCount + 1];
        Array.Fill(_newer, Unlinked);
        Array.Fill(_older, Unlinked);
        _newer[Ring] = _older[Ring] = Ring;
        FreeCount = blockCount;
    }

    public int Count => _references.Length;

    public int FreeCount { get; private set; }

    public int CachedCount { get; private set; }

    /// <summary>Blocks that can be allocated: free and cached ones.</summary>
    public int AvailableCount => FreeCount + CachedCount;

    /// <summary>The sum of all reference counts.</summary>
    public int ReferenceSum { get; private set; }

    public PoolUsage Usage => new(Count, FreeCount, CachedCount, Count - AvailableCount, ReferenceSum);

    /// <summary>The free blocks, for audits.</summary>
    public IEnumerable<BlockId> FreeBlocks => _free.Take(FreeCount).Select(block => new BlockId(block));

    /// <summary>The cached blocks in the order of eviction, for audits.</summary>
    public IEnumerable<BlockId> CachedBlocks
    {
        get
        {
            for (var block = _newer[Ring]; block != Ring; block = _newer[block])
                yield return new BlockId(block);
        }
    }

    private int Ring => _references.Length;

    /// <summary>Table entries that refer to the block.</summary>
    public int References(BlockId block) => _references[Known(block)];

    public bool IsCached(BlockId block) => _newer[Known(block)] != Unlinked;

    /// <summary>
    /// Returns a block with one reference: a free one, or else the cached one that was released longest ago, whose
    /// content is lost.
    /// </summary>
    public BlockId Allocate()
    {
        int block;
        if (FreeCount > 0)
        {
            block = _free[--FreeCount];
        }
        else if (CachedCount > 0)
        {
            block = _newer[Ring];
            Unlink(block);
        }
        else
        {
            throw new InvalidOperationException($"no block to take: all {Count} are in use");
        }

        _references[block] = 1;
        ReferenceSum++;
        return new BlockId(block);
    }

    /// <summary>Adds references to a block that is in use or cached.</summary>
    public void Share(BlockId block, int references)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(references, 1);
        var index = Known(block);
        if (_newer[index] != Unlinked)
            Unlink(index);
        else if (_references[index] == 0)
            throw new InvalidOperationException($"{block} is free and can't be shared");
        _references[index] += references;
        ReferenceSum += references;
    }

    /// <summary>
    /// Removes one reference. With the last one, the block is cached if it can be hit, otherwise free.
    /// </summary>
    public void Release(BlockId block, bool hittable)
    {
        var index = Known(block);
        if (_references[index] == 0)
            throw new InvalidOperationException($"{block} is released more often than it was taken");
        ReferenceSum--;
        if (--_references[index] > 0)
            return;
        if (hittable)
            LinkAsNewest(index);
        else
            _free[FreeCount++] = index;
    }

    /// <summary>Frees every cached block.</summary>
    public void FreeCached()
    {
        while (CachedCount > 0)
        {
            var block = _newer[Ring];
            Unlink(block);
            _free[FreeCount++] = block;
        }
    }

    private void LinkAsNewest(int block)
    {
        var newest = _older[Ring];
        _newer[newest] = block;
        _older[block] = newest;
        _newer[block] = Ring;
        _older[Ring] = block;
        CachedCount++;
    }

    private void Unlink(int block)
    {
        _newer[_older[block]] = _newer[block];
        _older[_newer[block]] = _older[block];
        _newer[block] = _older[block] = Unlinked;
        CachedCount--;
    }

    private int Known(BlockId block) => (uint)block.Value < (uint)_references.Length
        ? block.Value
        : throw new ArgumentOutOfRangeException(
            nameof(block), $"{block} is not one of the pool's blocks 0 to {Count - 1}");
}
