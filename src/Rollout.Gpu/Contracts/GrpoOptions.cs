namespace Rollout.Gpu.Contracts;

/// <summary>
/// The update rule of a training step; names and defaults as in TRL's GRPOConfig, values from the configuration.
/// </summary>
public sealed record GrpoOptions
{
    /// <summary>Advantages and loss.</summary>
    public required LossRecipe Loss { get; init; }

    /// <summary>Passes over each batch of rollouts (μ in the GRPO paper).</summary>
    public required int NumIterations { get; init; }

    /// <summary>Groups of one optimizer step; 0 takes the whole batch.</summary>
    public int MiniBatchPrompts { get; init; }

    /// <summary>Shuffles the groups of a batch into mini-batches.</summary>
    public ulong Seed { get; init; }

    /// <summary>
    /// Leave completions that reached their token limit out of the loss (TRL's mask_truncated_completions).
    /// </summary>
    public bool MaskTruncated { get; init; }

    /// <summary>
    /// The most updates in a row that may be skipped because their loss or gradient is not finite; one more ends the run.
    /// </summary>
    public int MaxSkippedUpdates { get; init; }

    /// <summary>How the reference policy follows the policy, and where it waits.</summary>
    public ReferenceOptions Reference { get; init; } = ReferenceOptions.Initial;

    /// <summary>The sampling temperature: the trainer's logits are divided by it too.</summary>
    public required double Temperature { get; init; }

    /// <summary>The most new tokens of a completion, which is the constant in Dr.GRPO's denominator.</summary>
    public required int MaxCompletionLength { get; init; }

    /// <summary>The most tokens of one forward and backward pass: prompts, completions and padding.</summary>
    public required int MicroBatchTokens { get; init; }

    /// <summary>The highest learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Optimizer steps over which the learning rate rises linearly from 0.</summary>
    public required int WarmupSteps { get; init; }

    /// <summary>The course of the learning rate after that.</summary>
    public LearningRateSchedule LrSchedule { get; init; }

    /// <summary>Optimizer steps of the run, which a schedule that falls is spread over.</summary>
    public int TotalSteps { get; init; }

    /// <summary>What the learning rate falls to.</summary>
    public double MinLearningRate { get; init; }

    /// <summary>The learning rate of each optimizer step.</summary>
    public LearningRate Rate => new(LearningRate, WarmupSteps, LrSchedule, TotalSteps, MinLearningRate);

    public required double WeightDecay { get; init; }

    public required double AdamBeta1 { get; init; }

    public required double AdamBeta2 { get; init; }

    public required double AdamEpsilon { get; init; }

    /// <summary>Gradients are clipped to this norm; 0 clips nothing.</summary>
    public required double MaxGradNorm { get; init; }

    /// <summary>On a GPU, use only operations that give the same result in every run. A CPU always does.</summary>
    public bool Deterministic { get; init; }

    /// <summary>On a GPU, compute forward and backward by libtorch's autograd, as on a CPU, and not by kernels.</summary>
    public bool Autograd { get; init; }

    /// <summary>Keep the optimizer's state in host memory: moments, and float32 copies of narrow weights.</summary>
    public bool Offload { get; init; }

    /// <summary>On a GPU, what the backward pass by kernels computes again in place of keeping it.</summary>
    public Recomputation Recompute { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">A value that no update rule has; the message names it.</exception>
    public void RequireInRange()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Temperature, SamplingParams.GreedyBelow);
        ArgumentOutOfRangeException.ThrowIfLessThan(NumIterations, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MiniBatchPrompts);
        ArgumentOutOfRangeException.ThrowIfLessThan(MicroBatchTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxCompletionLength, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxSkippedUpdates);
        ArgumentOutOfRangeException.ThrowIfNegative(Reference.SyncEvery);
        ArgumentOutOfRangeException.ThrowIfNegative(Loss.Beta);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxGradNorm);
        ArgumentOutOfRangeException.ThrowIfNegative(WarmupSteps);
    }
}
