using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Batching;

/// <summary>Fills the one <see cref="ForwardBatch"/> of a decoder, whose arrays grow and are kept.</summary>
public sealed class BatchBuilder(KvCacheGeometry geometry)
{
    public ForwardBatch Batch { get; } = new() { QueryStart = new int[1], BlockTableStart = new int[1] };

    public void Clear()
    {
        Batch.TokenCount = Batch.RowCount = Batch.DrawCount = 0;
        Batch.Copies.Clear();
    }

    /// <summary>
    /// Adds tokens start … start + count − 1 of a sequence as a row, and returns its number. A token that is on its way is
    /// named by its draw.
    /// </summary>
    public int AddRow(Sequence sequence, int start, int count)
    {
        var row = Batch.RowCount++;
        var first = Batch.TokenCount;
        Batch.TokenCount += count;
        Batch.TokenIds = Grown(Batch.TokenIds, Batch.TokenCount);
        Batch.Positions = Grown(Batch.Positions, Batch.TokenCount);
        Batch.SlotMapping = Grown(Batch.SlotMapping, Batch.TokenCount);
        Batch.QueryStart = Grown(Batch.QueryStart, row + 2);
        Batch.ContextLengths = Grown(Batch.ContextLengths, row + 1);
        Batch.BlockTableStart = Grown(Batch.BlockTableStart, row + 2);

        var blocks = sequence.Blocks;
        var known = Math.Min(count, sequence.Count - start);
        sequence.Tokens.Slice(start, known).CopyTo(Batch.TokenIds.AsSpan(first));
        Batch.TokenIds.AsSpan(first + known, count - known).Fill(~sequence.PendingDraw);
        for (var i = 0; i < count; i++)
        {
            var position = start + i;
            Batch.Positions[first + i] = position;
            Batch.SlotMapping[first + i] =
                blocks[position / geometry.BlockSize] * geometry.BlockSize + position % geometry.BlockSize;
        }
        Batch.QueryStart[row + 1] = Batch.TokenCount;
        Batch.ContextLengths[row] = start + count;

        var used = geometry.BlocksFor(start + count);
        var tableStart = Batch.BlockTableStart[row];
        Batch.BlockTables = Grown(Batch.BlockTables, tableStart + used);
        blocks[..used].CopyTo(Batch.BlockTables.AsSpan(tableStart));
        Batch.BlockTableStart[row + 1] = tableStart + used;
        return row;
    }

    /// <summary>Samples the sequence's next token from the logits after this row, and returns the draw's number.</summary>
    public int AddDraw(int row, Sequence sequence)
    {
        Batch.Draws = Grown(Batch.Draws, Batch.DrawCount + 1);
        Batch.Draws[Batch.DrawCount] = new Draw(row, sequence.Count + sequence.Pending, sequence.Key, sequence.Sampling);
        return Batch.DrawCount++;
    }

    private static T[] Grown<T>(T[] array, int length)
    {
        if (array.Length < length)
            Array.Resize(ref array, Math.Max(length, 2 * array.Length));
        return array;
    }
}
