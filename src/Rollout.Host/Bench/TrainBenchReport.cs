namespace Rollout.Host.Bench;

/// <summary>The figures of `rollout bench --train`, printed as JSON with these names in snake_case.</summary>
internal sealed record TrainBenchReport
{
    public required string Model { get; init; }

    public required string Device { get; init; }

    /// <summary>The GPU's product name; null on a CPU.</summary>
    public required string? DeviceName { get; init; }

    /// <summary>"float32" or "bfloat16".</summary>
    public required string Dtype { get; init; }

    public required int Sequences { get; init; }

    public required int PromptLength { get; init; }

    public required int CompletionLength { get; init; }

    public required int GroupSize { get; init; }

    public required int MicroBatchTokens { get; init; }

    /// <summary>Measured steps, one before them not counted.</summary>
    public required int Steps { get; init; }

    /// <summary>Tokens of a step: sequences × (prompt + completion).</summary>
    public required long Tokens { get; init; }

    /// <summary>Tokens that forward and backward passes processed in a step.</summary>
    public required long ProcessedTokens { get; init; }

    /// <summary>The same with padding, or with a prompt that sequences share counted once a micro-batch.</summary>
    public required long ComputedTokens { get; init; }

    /// <summary>The rank of the adapter that is trained; 0 where all weights are.</summary>
    public required int LoraRank { get; init; }

    /// <summary>Updates of the weights in a step.</summary>
    public required int OptimizerSteps { get; init; }

    /// <summary>The mean time of a step.</summary>
    public required double Seconds { get; init; }

    public required double TokensPerSecond { get; init; }

    /// <summary>The peak of the device's used memory; on a CPU, of the process's.</summary>
    public required long PeakDeviceBytes { get; init; }

    /// <summary>What --dry-run says that the passes by kernels need; null where autograd computes.</summary>
    public required long? PredictedDeviceBytes { get; init; }

    /// <summary>The share of the layers' matrix products and their gradients in the time of a step.</summary>
    public required double ProductsShare { get; init; }

    public required double AttentionShare { get; init; }

    /// <summary>The share of logits, log-probabilities, loss and their gradients.</summary>
    public required double HeadShare { get; init; }

    /// <summary>The share of norms, rotation, gate, sums and embedding.</summary>
    public required double ElementwiseShare { get; init; }

    public required double OptimizerShare { get; init; }

    /// <summary>The share of the rest: preparing the batch, and waiting for the host.</summary>
    public required double HostShare { get; init; }
}
