using Rollout.Gpu.Contracts;

namespace Rollout.KernelBenchmarks;

/// <summary>Batches to measure with.</summary>
internal static class Batches
{
    /// <summary>Rows of (context, new tokens, family, shared leading tokens), blocks in random order.</summary>
    public static ForwardBatch Of(
        (int Context, int Tokens, int Family, int Shared)[] rows, int blockSize, out int blocks)
    {
        var common = new Dictionary<(int, int), int>();
        var next = 0;
        int[][] tables = [.. rows.Select(row => Enumerable.Range(0, (row.Context + blockSize - 1) / blockSize)
            .Select(index =>
            {
                if (index >= row.Shared / blockSize)
                    return next++;
                if (!common.TryGetValue((row.Family, index), out var block))
                    common[(row.Family, index)] = block = next++;
                return block;
            }).ToArray())];
        blocks = next;
        var order = Enumerable.Range(0, blocks).ToArray();
        new Random(1).Shuffle(order);
        var batch = new ForwardBatch
        {
            RowCount = rows.Length,
            QueryStart = new int[rows.Length + 1],
            BlockTableStart = new int[rows.Length + 1],
            ContextLengths = [.. rows.Select(row => row.Context)],
            BlockTables = [.. tables.SelectMany(table => table.Select(block => order[block]))],
        };
        for (var row = 0; row < rows.Length; row++)
        {
            batch.QueryStart[row + 1] = batch.QueryStart[row] + rows[row].Tokens;
            batch.BlockTableStart[row + 1] = batch.BlockTableStart[row] + tables[row].Length;
        }

        batch.TokenCount = batch.QueryStart[^1];
        batch.TokenIds = new int[batch.TokenCount];
        return batch;
    }
}
