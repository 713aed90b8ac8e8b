namespace Rollout.Gpu.Contracts;

/// <summary>
/// The update rule of a training step; names and defaults as in TRL's GRPOConfig, values from the configuration.
/// </summary>
public sealed record GrpoOptions
{
    /// <summary>Advantages and loss.</summary>
    public required LossRecipe Loss { get; init; }

    /// <summary>Optimizer steps per batch of rollouts (μ in the GRPO paper).</summary>
    public required int NumIterations { get; init; }

    /// <summary>The sampling temperature: the trainer's logits are divided by it too.</summary>
    public required double Temperature { get; init; }

    /// <summary>The most new tokens of a completion, which is the constant in Dr.GRPO's denominator.</summary>
    public required int MaxCompletionLength { get; init; }

    /// <summary>The most tokens of one forward and backward pass: prompts, completions and padding.</summary>
    public required int MicroBatchTokens { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>Optimizer steps over which the learning rate rises linearly from 0.</summary>
    public required int WarmupSteps { get; init; }

    /// <summary>
    /// Optimizer steps, warm-up included, after which the rate has fallen linearly to 0; 0 keeps it constant.
    /// </summary>
    public int TotalSteps { get; init; }

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
}
