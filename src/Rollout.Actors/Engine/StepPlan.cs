using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>
/// One step between planning and completion: who draws a token, and whose prompt advances. The planner makes it from a
/// grant and takes it back with the step's output or fault.
/// </summary>
/// <param name="batch">The batch to compute, with its copies.</param>
/// <param name="isLastTry">See <see cref="IsLastTry"/>.</param>
internal sealed class StepPlan(ForwardBatch batch, bool isLastTry)
{
    /// <summary>What the device computes; valid until the next step is planned.</summary>
    public ForwardBatch Batch { get; } = batch;

    /// <summary>In the order of the batch's draws.</summary>
    public List<PlannedDraw> Draws { get; } = [];

    public List<PlannedChunk> Chunks { get; } = [];

    public int PrefillTokens => Chunks.Sum(chunk => chunk.Tokens);

    /// <summary>Blocks are copied in this step, also those of sequences that have no row in it.</summary>
    public bool CopiesBlocks { get; } = batch.Copies.Count > 0;

    /// <summary>The step is the last try of its only row: nothing starts before its result is known.</summary>
    public bool IsLastTry { get; } = isLastTry;

    /// <summary>Sequences that go on from this step's result, and have neither ended nor started over since.</summary>
    public IEnumerable<Sequence> Members => Draws.Where(draw => draw.IsAwaited).Select(draw => draw.Sequence)
        .Concat(Chunks.SelectMany(chunk => chunk.Prefill.Members))
        .Distinct();
}

/// <summary>One token to sample.</summary>
/// <param name="Sequence">The sequence that it continues.</param>
/// <param name="Course">The sequence's course at that time: once it has started over, the token is void.</param>
/// <param name="Row">The row of the batch.</param>
internal readonly record struct PlannedDraw(Sequence Sequence, int Course, int Row)
{
    /// <summary>The sequence has neither ended nor started over.</summary>
    public bool IsAwaited => Sequence.Course == Course && !Sequence.IsFinished;
}

/// <summary>The next tokens of a prompt, as one row of the batch.</summary>
internal readonly record struct PlannedChunk(Prefill Prefill, int Tokens, int Row);
