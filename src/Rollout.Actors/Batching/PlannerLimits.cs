namespace Rollout.Actors.Batching;

/// <summary>What a step may hold.</summary>
public sealed record PlannerLimits
{
    /// <summary>Sequences with blocks at most.</summary>
    public required int MaxNumSeqs { get; init; }

    /// <summary>Tokens of a step at most; at least one for each sequence.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>Tokens of a sequence at most: the model's, or a row of a contiguous cache.</summary>
    public required int MaxModelLength { get; init; }

    /// <summary>Failed steps between two tokens that a sequence survives; it is alone in its last try.</summary>
    public required int MaxStepRetries { get; init; }

    /// <summary>
    /// The padded baseline of a contiguous cache: every sample computes its own prompt, a batch is filled once, and
    /// finished rows are computed along until the last one has finished.
    /// </summary>
    public bool StaticBatch { get; init; }
}
