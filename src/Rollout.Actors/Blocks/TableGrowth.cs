using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// Gives a sequence slots for more tokens: appends blocks, and replaces its last block by a copy when that is partly
/// filled and others hold it too. Registered blocks are full, so nothing is ever written to them again.
/// </summary>
internal sealed class TableGrowth(KvCacheGeometry geometry, BlockPool pool, PrefixCache cache)
{
    /// <summary>Entries of tables that were appended or replaced since <see cref="Clear"/>.</summary>
    public List<TableChange> Changes { get; } = [];

    /// <summary>Copies to make for them.</summary>
    public List<BlockCopy> Copies { get; } = [];

    public void Clear()
    {
        Changes.Clear();
        Copies.Clear();
    }

    /// <summary>
    /// Blocks to take for the table to have room for so many tokens. The last holder writes in place.
    /// </summary>
    public int Needed(BlockTable table, int tokens)
    {
        if (tokens <= table.Tokens)
            return 0;
        var appended = geometry.BlocksFor(tokens) - table.Count;
        return WritesShared(table) ? appended + 1 : appended;
    }

    /// <summary>Takes them.</summary>
    public void Extend(BlockTable table, int tokens)
    {
        if (tokens <= table.Tokens)
            return;
        if (WritesShared(table))
        {
            var index = table.Count - 1;
            var source = table[index];
            table[index] = cache.Allocate();
            cache.Release(source);
            Copies.Add(new BlockCopy(source, table[index]));
            Changes.Add(new TableChange(table.Sequence, index, table[index]));
        }

        for (var blocks = geometry.BlocksFor(tokens); table.Count < blocks;)
        {
            table.Append(cache.Allocate());
            Changes.Add(new TableChange(table.Sequence, table.Count - 1, table[table.Count - 1]));
        }

        table.Tokens = tokens;
    }

    private bool WritesShared(BlockTable table) =>
        table.Tokens % geometry.BlockSize != 0 && pool.References(table[table.Count - 1]) > 1;
}
