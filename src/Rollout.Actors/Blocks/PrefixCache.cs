using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// Which block holds the KV of which full block of a prompt, under the pool's present policy. A block is
/// entered once its KV is on the device and leaves when its memory is given to something else or the policy
/// changes.
/// </summary>
public sealed class PrefixCache
{
    private readonly Dictionary<BlockHash, BlockId> _blocks;

    // [blocks] the hash under which each block is entered; Root where it is not.
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

    /// <summary>The blocks of the longest known beginning of the chain. Valid until the next call.</summary>
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
    /// Makes a block hittable whose KV is on the device. When two prompts computed the same block in one
    /// step, the first entry stays and the second block remains its sequence's own, until the first is gone
    /// and it is registered again. Registering a block twice changes nothing.
    /// </summary>
    public void Register(BlockHash hash, BlockId block)
    {
        if (!Contains(block) && _blocks.TryAdd(hash, block))
            _hashes[block.Value] = hash;
    }

    /// <summary>
    /// A block for new content: a free one, or else the one that went longest without a reader.
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

    /// <summary>
    /// Takes one reference back. With the last one a registered block is cached, any other is free.
    /// </summary>
    public void Release(BlockId block) => _pool.Release(block, Contains(block));

    /// <summary>No block can be hit any more, and those without a reader are free.</summary>
    public void Clear()
    {
        _blocks.Clear();
        Array.Clear(_hashes);
        _pool.FreeCached();
    }
}
