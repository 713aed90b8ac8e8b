using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>
/// Composes a step from the running set, and fills the engine's one <see cref="ForwardBatch"/>, whose arrays grow and
/// are kept.
/// </summary>
internal sealed class StepBuilder(EngineLimits limits, KvCacheGeometry geometry)
{
    private readonly ForwardBatch _batch = new() { QueryStart = new int[1], BlockTableStart = new int[1] };

    /// <summary>
    /// A token of every decoding sequence, then prompt chunks with what the budget leaves. A prompt in its last try has
    /// the step to itself, so that its fault costs no other sequence.
    /// </summary>
    public StepPlan Build(RunningSet running, BlockCopy[] copies)
    {
        _batch.TokenCount = _batch.RowCount = _batch.DrawCount = 0;
        _batch.Copies.Clear();
        _batch.Copies.AddRange(copies);
        var lastTry = running.Prefills.Find(prefill => prefill.Remaining > 0 && prefill.Members[0].IsOnLastTry);
        var plan = new StepPlan(_batch, isLastTry: lastTry is not null);
        if (lastTry is not null)
            AddChunk(plan, lastTry, limits.MaxNumBatchedTokens);
        else
            AddAll(plan, running);
        return plan;
    }

    private void AddAll(StepPlan plan, RunningSet running)
    {
        foreach (var sequence in running.Sequences)
        {
            if (sequence.Status == SequenceStatus.Decoding && !sequence.IsDrawnOut)
                AddDraw(plan, sequence, AddRow(sequence, sequence.Count + sequence.Pending - 1, 1));
        }
        foreach (var row in running.FinishedRows)
            AddRow(row, row.Count - 1, 1);
        foreach (var prefill in running.Prefills)
        {
            var budget = limits.MaxNumBatchedTokens - _batch.TokenCount;
            if (budget <= 0)
                break;
            if (prefill.Remaining > 0)
                AddChunk(plan, prefill, budget);
        }
    }

    private void AddChunk(StepPlan plan, Prefill prefill, int budget)
    {
        var tokens = Math.Min(budget, prefill.Remaining);
        var row = AddRow(prefill.Members[0], prefill.Planned, tokens);
        prefill.Planned += tokens;
        plan.Chunks.Add(new PlannedChunk(prefill, tokens, row));
        if (prefill.Remaining > 0)
            return;
        foreach (var member in prefill.Members)
        {
            member.Status = SequenceStatus.Decoding;
            AddDraw(plan, member, row);
        }
    }

    /// <summary>
    /// Adds tokens start … start + count − 1 as a row, and returns its number. A token that is on its way is named by
    /// its draw.
    /// </summary>
    private int AddRow(Sequence sequence, int start, int count)
    {
        var row = _batch.RowCount++;
        var first = _batch.TokenCount;
        _batch.TokenCount += count;
        _batch.TokenIds = Grown(_batch.TokenIds, _batch.TokenCount);
        _batch.Positions = Grown(_batch.Positions, _batch.TokenCount);
        _batch.SlotMapping = Grown(_batch.SlotMapping, _batch.TokenCount);
        _batch.QueryStart = Grown(_batch.QueryStart, row + 2);
        _batch.ContextLengths = Grown(_batch.ContextLengths, row + 1);
        _batch.BlockTableStart = Grown(_batch.BlockTableStart, row + 2);

        var blocks = sequence.Blocks;
        var known = Math.Min(count, sequence.Count - start);
        sequence.Tokens.Slice(start, known).CopyTo(_batch.TokenIds.AsSpan(first));
        _batch.TokenIds.AsSpan(first + known, count - known).Fill(~sequence.PendingDraw);
        for (var i = 0; i < count; i++)
        {
            var position = start + i;
            _batch.Positions[first + i] = position;
            _batch.SlotMapping[first + i] =
                blocks[position / geometry.BlockSize] * geometry.BlockSize + position % geometry.BlockSize;
        }
        _batch.QueryStart[row + 1] = _batch.TokenCount;
        _batch.ContextLengths[row] = start + count;

        var used = geometry.BlocksFor(start + count);
        var tableStart = _batch.BlockTableStart[row];
        _batch.BlockTables = Grown(_batch.BlockTables, tableStart + used);
        blocks[..used].CopyTo(_batch.BlockTables.AsSpan(tableStart));
        _batch.BlockTableStart[row + 1] = tableStart + used;
        return row;
    }

    /// <summary>Samples the sequence's next token from the logits after this row.</summary>
    private void AddDraw(StepPlan plan, Sequence sequence, int row)
    {
        var draw = _batch.DrawCount++;
        _batch.Draws = Grown(_batch.Draws, _batch.DrawCount);
        _batch.Draws[draw] = new Draw(row, sequence.Count + sequence.Pending, sequence.Key, sequence.Sampling);
        sequence.Await(draw);
        plan.Draws.Add(new PlannedDraw(sequence, sequence.Course, row));
    }

    private static T[] Grown<T>(T[] array, int length)
    {
        if (array.Length < length)
            Array.Resize(ref array, Math.Max(length, 2 * array.Length));
        return array;
    }
}
