namespace Rollout.Gpu.Contracts;

/// <summary>What a runner on a GPU is built for. Its buffers hold the largest step from the start.</summary>
public sealed record CudaRunnerOptions
{
    /// <summary>The device, from 0.</summary>
    public required int Ordinal { get; init; }

    /// <summary>Tokens of a block.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Blocks of the pool; 0 takes as many as fit.</summary>
    public required int BlockCount { get; init; }

    /// <summary>Share of the free memory that the pool takes (0 … 1).</summary>
    public required double MemoryUtilization { get; init; }

    /// <summary>The most rows of a decode step, and the most draws of any step.</summary>
    public required int MaxNumSeqs { get; init; }

    /// <summary>The most tokens of a step.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>The most tokens of a sequence.</summary>
    public required int MaxModelLength { get; init; }

    /// <summary>
    /// A trainer of this process uses the device too, and gets the pool's memory while the decoder is parked.
    /// </summary>
    public bool SharesDevice { get; init; }

    /// <summary>Record decode steps as CUDA graphs, one for each padded batch size.</summary>
    public required bool UsesGraphs { get; init; }

    /// <summary>Read keys that rows of a step share once for all of them. Tests switch it off to compare.</summary>
    internal bool SharesPrompts { get; init; } = true;
}
