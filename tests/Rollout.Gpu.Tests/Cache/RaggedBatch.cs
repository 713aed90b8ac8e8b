using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Tests.Cache;

/// <summary>One row of a batch under test: the last tokens of a context that lies in these blocks.</summary>
internal sealed record RaggedRow(int Context, int Tokens, int[] Blocks);

/// <summary>Batches of any row lengths, with blocks in any order.</summary>
internal static class RaggedBatch
{
    /// <summary>Rows (context, new tokens) in randomly chosen blocks of the pool.</summary>
    public static RaggedRow[] Place(
        IEnumerable<(int Context, int Tokens)> rows, KvCacheGeometry geometry, Random random)
    {
        var order = Enumerable.Range(0, geometry.BlockCount).ToArray();
        random.Shuffle(order);
        var blocks = new Queue<int>(order);
        return [.. rows.Select(row => new RaggedRow(row.Context, row.Tokens,
            [.. Enumerable.Range(0, geometry.BlocksFor(row.Context)).Select(_ => blocks.Dequeue())]))];
    }

    /// <summary>The batch of these rows, without token ids or draws.</summary>
    public static ForwardBatch Of(RaggedRow[] rows, int blockSize)
    {
        List<int> positions = [], slots = [], tables = [], queryStart = [0], tableStart = [0];
        foreach (var row in rows)
        {
            for (var position = row.Context - row.Tokens; position < row.Context; position++)
            {
                positions.Add(position);
                slots.Add((row.Blocks[position / blockSize] * blockSize) + (position % blockSize));
            }

            tables.AddRange(row.Blocks);
            queryStart.Add(positions.Count);
            tableStart.Add(tables.Count);
        }

        return new ForwardBatch
        {
            TokenCount = positions.Count,
            RowCount = rows.Length,
            TokenIds = new int[positions.Count],
            Positions = [.. positions],
            SlotMapping = [.. slots],
            QueryStart = [.. queryStart],
            ContextLengths = [.. rows.Select(row => row.Context)],
            BlockTableStart = [.. tableStart],
            BlockTables = [.. tables],
        };
    }
}
