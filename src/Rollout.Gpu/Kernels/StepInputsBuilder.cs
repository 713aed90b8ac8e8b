using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Kernels;

/// <summary>Writes a batch and its attention schedule into a packed buffer. Allocates nothing once warm.</summary>
/// <param name="schedule">
/// A schedule for the kernels' shape and device. It holds the batch's schedule afterwards.
/// </param>
internal sealed class StepInputsBuilder(AttentionSchedule schedule)
{
    private readonly GrowingList<int> _logitRow = new();

    /// <summary>Rows of logits of the batch written last: one for each row with draws.</summary>
    public int LogitCount { get; private set; }

    /// <summary>Writes a batch into the buffer.</summary>
    /// <param name="batch">The batch. Positions and slots are not read.</param>
    /// <param name="layout">A layout that holds the batch.</param>
    /// <param name="buffer">The packed buffer in host memory.</param>
    /// <returns>The 32-bit numbers to copy, from the buffer's start.</returns>
    /// <exception cref="ArgumentException">The batch is larger than the layout, or contradicts itself.</exception>
    public int Write(ForwardBatch batch, StepInputs layout, Span<int> buffer)
    {
        Check(batch, layout.Capacity);
        schedule.Build(batch);
        var (tokens, rows) = (batch.TokenCount, batch.RowCount);
        batch.TokenIds.AsSpan(0, tokens).CopyTo(buffer[layout.TokenIds..]);
        batch.QueryStart.AsSpan(0, rows + 1).CopyTo(buffer[layout.QueryStart..]);
        batch.ContextLengths.AsSpan(0, rows).CopyTo(buffer[layout.ContextLengths..]);
        batch.BlockTableStart.AsSpan(0, rows + 1).CopyTo(buffer[layout.TableStart..]);
        var tables = batch.BlockTables.AsSpan(0, batch.BlockTableStart[rows]);
        tables.CopyTo(buffer[layout.BlockTables..]);
        WriteDraws(batch, layout, buffer);
        for (var i = 0; i < batch.Copies.Count; i++)
        {
            buffer[layout.CopyPairs + (2 * i)] = batch.Copies[i].Source.Value;
            buffer[layout.CopyPairs + (2 * i) + 1] = batch.Copies[i].Destination.Value;
        }

        WriteSchedule(layout, buffer);
        var counts = buffer.Slice(layout.Counts, StepInputs.CountInts);
        counts.Clear();
        counts[StepInputs.TokenCount] = tokens;
        counts[StepInputs.RowCount] = rows;
        counts[StepInputs.DrawCount] = batch.DrawCount;
        counts[StepInputs.LogitCount] = LogitCount;
        counts[StepInputs.CopyCount] = batch.Copies.Count;
        return layout.BlockTables + tables.Length;
    }

    private void WriteDraws(ForwardBatch batch, StepInputs layout, Span<int> buffer)
    {
        var logitRow = _logitRow.Resize(batch.RowCount);
        logitRow.Clear();
        var draws = batch.Draws.AsSpan(0, batch.DrawCount);
        foreach (ref readonly var draw in draws)
            logitRow[draw.Row] = 1;
        LogitCount = 0;
        var logitTokens = buffer.Slice(layout.LogitTokens, layout.Capacity.Draws);
        for (var row = 0; row < logitRow.Length; row++)
        {
            if (logitRow[row] == 0)
                continue;
            logitRow[row] = LogitCount;
            logitTokens[LogitCount++] = batch.QueryStart[row + 1] - 1;
        }

        logitTokens[LogitCount..].Fill(-1);
        var to = buffer.Slice(layout.Draws, draws.Length * StepInputs.DrawInts);
        foreach (ref readonly var draw in draws)
        {
            var sampling = draw.Sampling;
            to[0] = logitRow[draw.Row];
            to[1] = draw.Position;
            to[2] = (int)(uint)draw.Key;
            to[3] = (int)(uint)(draw.Key >> 32);
            to[4] = BitConverter.SingleToInt32Bits(sampling.IsGreedy ? 0 : sampling.Temperature);
            to[5] = sampling.TopK;
            to[6] = BitConverter.SingleToInt32Bits(sampling.TopP);
            to[7] = BitConverter.SingleToInt32Bits(sampling.MinP);
            to = to[StepInputs.DrawInts..];
        }
    }

    private void WriteSchedule(StepInputs layout, Span<int> buffer)
    {
        schedule.PartStart.CopyTo(buffer[layout.PartStart..]);
        MemoryMarshal.Cast<AttentionSegment, int>(schedule.Segments).CopyTo(buffer[layout.Segments..]);
        schedule.SharedTokens.CopyTo(buffer[layout.SharedTokens..]);
        schedule.MergeStart.CopyTo(buffer[layout.MergeStart..]);
        schedule.MergeEntries.CopyTo(buffer[layout.MergeEntries..]);
    }

    private void Check(ForwardBatch batch, StepCapacity capacity)
    {
        var needed = new StepCapacity(
            batch.TokenCount, batch.RowCount, batch.DrawCount, batch.Copies.Count,
            batch.BlockTableStart[batch.RowCount], schedule.Parts);
        if (!capacity.Holds(needed))
            throw new ArgumentException($"A step of {needed} does not fit a layout for {capacity}.");

        for (var row = 0; row < batch.RowCount; row++)
        {
            var tokens = batch.QueryStart[row + 1] - batch.QueryStart[row];
            var blocks = batch.BlockTableStart[row + 1] - batch.BlockTableStart[row];
            if (tokens < 1 || batch.ContextLengths[row] < tokens
                || (long)blocks * schedule.BlockSize < batch.ContextLengths[row])
            {
                throw new ArgumentException(
                    $"Row {row} of the batch has {tokens} tokens of a context of {batch.ContextLengths[row]} in "
                    + $"{blocks} blocks of {schedule.BlockSize}.");
            }
        }
    }
}
