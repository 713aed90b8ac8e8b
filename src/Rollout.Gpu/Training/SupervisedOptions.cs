using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training;

/// <summary>How <see cref="SupervisedTrainer"/> learns.</summary>
public sealed record SupervisedOptions
{
    /// <summary>The learning rate of each optimizer step.</summary>
    public required LearningRate Rate { get; init; }

    internal AdamWOptions Optimizer { get; init; } =
        new(Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0);

    /// <summary>The gradient is scaled down to this norm; 0 leaves it.</summary>
    public double MaxGradNorm { get; init; } = 1;

    /// <summary>Steps in a row that may be skipped because they are not finite; one more fails.</summary>
    public int MaxSkippedUpdates { get; init; }

    /// <summary>Tokens of one forward and backward pass at most, padding included.</summary>
    public required int MicroBatchTokens { get; init; }

    /// <summary>On a GPU, what the backward pass by kernels computes again in place of keeping it.</summary>
    public Recomputation Recompute { get; init; }

    /// <summary>Keep the optimizer's state in host memory: moments, and float32 copies of narrow weights.</summary>
    public bool Offload { get; init; }
}
