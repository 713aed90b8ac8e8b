namespace Rollout.Actors.Batching;

/// <summary>What a step that was planned and not completed will change when it is: who draws, and whose prompts go on.</summary>
internal sealed class PlannedStep
{
    public List<PlannedDraw> Draws { get; } = [];

    public List<PlannedChunk> Chunks { get; } = [];

    public int PrefillTokens => Chunks.Sum(chunk => chunk.Tokens);
}

/// <summary>One sampled token to come.</summary>
/// <param name="Sequence">Whose.</param>
/// <param name="Course">The sequence's at the time: a draw of an earlier one means nothing.</param>
internal readonly record struct PlannedDraw(Sequence Sequence, int Course)
{
    /// <summary>The sequence neither ended nor started over since.</summary>
    public bool IsAwaited => Sequence.Course == Course && Sequence.Status != SequenceStatus.Finished;
}

/// <summary>The next tokens of a prompt.</summary>
internal readonly record struct PlannedChunk(Prefill Prefill, int Tokens);
