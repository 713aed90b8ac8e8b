using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// Maps hashes of full blocks to the blocks that hold their keys and values under the current policy. A block is
/// registered once these are on the device, until its memory is reused or the policy changes.
/// </summary>
public sealed class PrefixCache
{
    private readonly Dictionary<BlockHash, BlockId> _blocks;

    // [blocks] the hash under which each block is registered; Root where it is not.
    private readonly BlockHash[] _hashes;
    private readonly BlockPool _pool;
    private BlockId[] _matched = [];

    public PrefixCache(BlockPool pool)
    {
        ArgumentNullException.ThrowIfNull(pool);
        _pool = pool;
        _blocks = new Dictionary<BlockHash, BlockId>(pool.Count);
        _hashes = new BlockHash[pool.Count];
    }

    public int Count => _blocks.Count;

    /// <summary>All entries, for audits.</summary>
    public IEnumerable<KeyValuePair<BlockHash, BlockId>> Entries => _blocks;

    public bool Contains(BlockId block) => _hashes[block.Value] != BlockHash.Root;

    /// <summary>The blocks of the chain's longest known prefix. Valid until the next call.</summary>
    public ReadOnlySpan<BlockId> Match(ReadOnlySpan<BlockHash> chain)
    {
        if (_matched.Length < chain.Length)
            _matched = new BlockId[chain.Length];
        var hits = 0;
        while (hits < chain.Length && _blocks.TryGetValue(chain[hits], out _matched[hits]))
            hits++;
        return _matched.AsSpan(0, hits);
    }

    /// <summary>
    /// Registers a block whose keys and values are on the device. Where another block has the same hash, that one
    /// stays. Registering a block twice changes nothing.
    /// </summary>
    public void Register(BlockHash hash, BlockId block)
    {
        if (!Contains(block) && _blocks.TryAdd(hash, block))
            _hashes[block.Value] = hash;
    }

    /// <summary>
    /// Returns a block for new content: a free one, or else the cached one that was released longest ago.
    /// </summary>
    public BlockId Allocate()
    {
        var block = _pool.Allocate();
        if (Contains(block))
        {
            _blocks.Remove(_hashes[block.Value]);
            _hashes[block.Value] = BlockHash.Root;
        }

        return block;
    }

    /// <summary>Removes one reference. With the last one, a registered block is cached and any other is free.</summary>
    public void Release(BlockId block) => _pool.Release(block, Contains(block));

    /// <summary>Forgets all blocks; cached ones are free.</summary>
    public void Clear()
    {
        _blocks.Clear();
        Array.Clear(_hashes);
        _pool.FreeCached();
    }
}
