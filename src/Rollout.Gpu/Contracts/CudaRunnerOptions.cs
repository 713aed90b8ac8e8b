namespace Rollout.Gpu.Contracts;

/// <summary>What a runner on a GPU is built for. Its buffers hold the largest step from the start.</summary>
public sealed record CudaRunnerOptions
{
    /// <summary>The device, from 0.</summary>
    public required int Ordinal { get; init; }

    /// <summary>Tokens of a block.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Blocks of the pool; 0 takes what fits.</summary>
    public required int BlockCount { get; init; }

    /// <summary>Share of the free memory that the pool takes (0 … 1).</summary>
    public required double MemoryUtilization { get; init; }

    /// <summary>Rows of a decode step, and draws of any step, at most.</summary>
    public required int MaxNumSeqs { get; init; }

    /// <summary>Tokens of a step at most.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>Tokens of a sequence at most.</summary>
    public required int MaxModelLength { get; init; }

    /// <summary>A trainer of this process uses the device too: the pool is its while the decoder is parked.</summary>
    public bool SharesDevice { get; init; }

    /// <summary>Decode steps are recorded once per padded batch size and launched as a whole.</summary>
    public required bool UsesGraphs { get; init; }

    /// <summary>
    /// Keys that rows of a step share are read once for all of them; otherwise by each row for itself, which tests compare
    /// with.
    /// </summary>
    internal bool SharesPrompts { get; init; } = true;
}
