namespace Rollout.Gpu.Contracts;

/// <summary>How well a model predicts completion tokens.</summary>
/// <param name="Loss">The mean of −log π over the completion tokens, in nats.</param>
/// <param name="TokenAccuracy">The share of completion tokens that are the most probable ones, 0 … 1.</param>
/// <param name="ExactMatch">
/// The share of completions that greedy decoding gives exactly, as all their tokens are the most probable ones, 0 … 1.
/// </param>
public sealed record SupervisedFit(double Loss, double TokenAccuracy, double ExactMatch);

/// <summary>One step of supervised training.</summary>
/// <param name="Fit">Measured with the weights before the step.</param>
/// <param name="GradientNorm">The L2 norm of the gradient before clipping.</param>
/// <param name="LearningRate">The step's rate.</param>
public sealed record SupervisedStep(SupervisedFit Fit, double GradientNorm, double LearningRate)
{
    /// <summary>Why the weights were left as they are; null where they were changed.</summary>
    public string? Skipped { get; init; }

    /// <summary>How often a micro-batch was split because it did not fit into memory.</summary>
    public int MicroBatchSplits { get; init; }
}
