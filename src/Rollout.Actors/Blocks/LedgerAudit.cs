using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>Recounts the pool and the cache from the block tables, and compares.</summary>
internal static class LedgerAudit
{
    /// <summary>The first difference, in a sentence; null if there is none.</summary>
    public static string? Imbalance(
        BlockPool pool, PrefixCache cache, IReadOnlyCollection<BlockTable> tables) =>
        UnbalancedReferences(pool, tables) ?? MisplacedBlock(pool, cache) ?? UnbalancedCounts(pool)
        ?? MisleadingEntry(pool, cache);

    private static string? UnbalancedReferences(BlockPool pool, IReadOnlyCollection<BlockTable> tables)
    {
        var entries = new int[pool.Count];
        var sum = 0;
        foreach (var table in tables)
        {
            foreach (var block in table.Blocks)
                entries[block.Value]++;
            sum += table.Count;
        }

        for (var i = 0; i < entries.Length; i++)
        {
            var block = new BlockId(i);
            if (pool.References(block) != entries[i])
                return $"{block} has {pool.References(block)} references but {entries[i]} table entries";
        }

        return pool.ReferenceSum == sum
            ? null
            : $"the reference counts sum to {pool.ReferenceSum} but there are {sum} table entries";
    }

    private static string? MisplacedBlock(BlockPool pool, PrefixCache cache)
    {
        var idle = new HashSet<BlockId>();
        foreach (var block in pool.FreeBlocks)
        {
            if (pool.References(block) != 0 || !idle.Add(block))
                return $"{block} is free twice, or free and referenced";
            if (cache.Contains(block))
                return $"{block} is free but can be hit";
        }

        foreach (var block in pool.CachedBlocks)
        {
            if (pool.References(block) != 0 || !idle.Add(block))
                return $"{block} is cached and also free or referenced";
            if (!cache.Contains(block))
                return $"{block} is cached but can't be hit";
        }

        return null;
    }

    private static string? UnbalancedCounts(BlockPool pool)
    {
        var inUse = Enumerable.Range(0, pool.Count).Count(block => pool.References(new BlockId(block)) > 0);
        var cached = pool.CachedBlocks.Count();
        return cached == pool.CachedCount && pool.FreeCount + cached + inUse == pool.Count
            ? null
            : $"{pool.FreeCount} free + {cached} cached ({pool.CachedCount} counted) + {inUse} in use blocks"
              + $" are not the pool's {pool.Count}";
    }

    private static string? MisleadingEntry(BlockPool pool, PrefixCache cache)
    {
        var registered = Enumerable.Range(0, pool.Count).Count(block => cache.Contains(new BlockId(block)));
        var reached = cache.Entries.Select(entry => entry.Value).Distinct().Count(cache.Contains);
        return registered == cache.Count && reached == cache.Count
            ? null
            : $"{cache.Count} hashes lead to {reached} blocks, but {registered} blocks are registered";
    }
}
