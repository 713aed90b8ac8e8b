using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Batching;

/// <summary>Fills a step's batch: a token of every running sequence, then prompt chunks with what the budget leaves.</summary>
internal sealed class StepComposer(PlannerLimits limits, KvCacheGeometry geometry)
{
    private readonly BatchBuilder _builder = new(geometry);

    /// <summary>The batch of the step composed last, or of the one that <see cref="Begin"/> began.</summary>
    public ForwardBatch Batch => _builder.Batch;

    public void Begin(IEnumerable<BlockCopy> copies)
    {
        _builder.Clear();
        _builder.Batch.Copies.AddRange(copies);
    }

    /// <param name="held">Sequences with blocks, oldest first.</param>
    /// <param name="finishedRows">Rows of the static baseline that are computed along.</param>
    /// <param name="prefills">Prompts with tokens in no step yet, oldest first; one that is wholly planned leaves them.</param>
    public PlannedStep Compose(
        IReadOnlyList<Sequence> held, IReadOnlyList<Sequence> finishedRows, List<Prefill> prefills)
    {
        var step = new PlannedStep();
        foreach (var sequence in held)
        {
            if (sequence.Status == SequenceStatus.Running && !sequence.IsDrawnOut)
                AddDraw(step, _builder.AddRow(sequence, sequence.Count + sequence.Pending - 1, 1), sequence);
        }
        foreach (var row in finishedRows)
            _builder.AddRow(row, row.Count - 1, 1);
        var budget = limits.MaxNumBatchedTokens - Batch.TokenCount;
        foreach (var prefill in prefills)
        {
            if (budget <= 0)
                break;
            var tokens = Math.Min(budget, prefill.Remaining);
            var row = _builder.AddRow(prefill.Members[0], prefill.Planned, tokens);
            prefill.Planned += tokens;
            step.Chunks.Add(new PlannedChunk(prefill, tokens));
            budget -= tokens;
            if (prefill.Remaining > 0)
                break;
            foreach (var member in prefill.Members)
            {
                member.Status = SequenceStatus.Running;
                AddDraw(step, row, member);
            }
        }
        prefills.RemoveAll(prefill => prefill.Remaining == 0);
        return step;
    }

    private void AddDraw(PlannedStep step, int row, Sequence sequence) =>
        step.Draws.Add(sequence.Await(_builder.AddDraw(row, sequence)));
}
