using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Tests.Kernels;

/// <summary>Batches whose rows share leading blocks in families, as the samples of groups do.</summary>
internal static class PrefixFamilies
{
    /// <summary>One row: its context length, its new tokens, and which leading blocks it shares.</summary>
    /// <param name="Context">Tokens that its last one attends to.</param>
    /// <param name="Tokens">New ones.</param>
    /// <param name="Family">Rows of a family share blocks as far as <paramref name="Shared"/> goes.</param>
    /// <param name="Shared">Tokens shared with the family, as far as whole blocks before the new tokens hold them.</param>
    public sealed record Row(int Context, int Tokens, int Family = 0, int Shared = 0);

    /// <summary>
    /// The batch, in blocks of random order. Rows of one family have the family's blocks first, and blocks of
    /// their own after them.
    /// </summary>
    public static ForwardBatch Of(IReadOnlyList<Row> rows, int blockSize, Random random, out int blockCount)
    {
        var common = new Dictionary<(int Family, int Index), int>();
        var next = 0;
        var tables = rows.Select(row =>
        {
            var shared = Math.Min(row.Shared, row.Context - row.Tokens) / blockSize;
            return Enumerable.Range(0, (row.Context + blockSize - 1) / blockSize).Select(index =>
            {
                if (index >= shared)
                    return next++;
                if (!common.TryGetValue((row.Family, index), out var block))
                    common[(row.Family, index)] = block = next++;
                return block;
            }).ToArray();
        }).ToArray();
        blockCount = next + 2;
        var order = Enumerable.Range(0, blockCount).ToArray();
        random.Shuffle(order);

        List<int> queryStart = [0], tableStart = [0], blocks = [];
        foreach (var (row, table) in rows.Zip(tables))
        {
            blocks.AddRange(table.Select(block => order[block]));
            queryStart.Add(queryStart[^1] + row.Tokens);
            tableStart.Add(blocks.Count);
        }

        return new ForwardBatch
        {
            TokenCount = queryStart[^1],
            RowCount = rows.Count,
            TokenIds = new int[queryStart[^1]],
            QueryStart = [.. queryStart],
            ContextLengths = [.. rows.Select(row => row.Context)],
            BlockTableStart = [.. tableStart],
            BlockTables = [.. blocks],
        };
    }
}
