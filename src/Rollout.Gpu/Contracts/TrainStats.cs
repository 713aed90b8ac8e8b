namespace Rollout.Gpu.Contracts;

/// <summary>
/// Statistics of one training step. A training step has one optimizer step for each mini-batch of each iteration.
/// </summary>
public sealed record TrainStats
{
    /// <summary>The version after the step's last update.</summary>
    public required PolicyVersion Version { get; init; }

    /// <summary>The aggregated loss, averaged over the optimizer steps; NaN where all updates were skipped.</summary>
    public required double Loss { get; init; }

    /// <summary>Norm of the gradient before clipping, averaged over the optimizer steps; NaN like the loss.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>The last optimizer step's.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Share of the loss's tokens whose ratio was clipped, all optimizer steps together.</summary>
    public required double ClipFraction { get; init; }

    /// <summary>The part of it that the lower bound clipped.</summary>
    public double ClipFractionLow { get; init; }

    /// <summary>The part of it that an upper bound clipped.</summary>
    public double ClipFractionHigh { get; init; }

    /// <summary>Mean of the ratio π/π_old over the tokens with a gradient, all optimizer steps together.</summary>
    public double RatioMean { get; init; } = 1;

    public double RatioMin { get; init; } = 1;

    public double RatioMax { get; init; } = 1;

    /// <summary>How these ratios are distributed; null where no token has a gradient.</summary>
    public BucketCounts? Ratios { get; init; }

    /// <summary>
    /// Mean of the importance weights before their bounds (see <see cref="ImportanceSupport"/>); 0 without a correction.
    /// </summary>
    public double ImportanceWeightMean { get; init; }

    /// <summary>The smallest of them.</summary>
    public double ImportanceWeightMin { get; init; }

    /// <summary>The largest of them.</summary>
    public double ImportanceWeightMax { get; init; }

    /// <summary>Share of tokens whose importance weight was truncated or masked.</summary>
    public double ImportanceOutside { get; init; }

    /// <summary>
    /// Mean KL estimate against the reference policy over the sampled tokens of the batch before its first update; 0 without
    /// a reference, NaN without a token.
    /// </summary>
    public required double Kl { get; init; }

    /// <summary>
    /// Mean −log π of the sampled tokens of the batch before its first update, an entropy estimate; NaN without a token.
    /// </summary>
    public required double Entropy { get; init; }

    /// <summary>
    /// Mean |log π(trainer) − log p(sampler)| of the same tokens, under the same weights, before top-k, top-p and min-p.
    /// </summary>
    public required double LogprobDifferenceMean { get; init; }

    /// <summary>The largest such difference.</summary>
    public required double LogprobDifferenceMax { get; init; }

    /// <summary>
    /// The ratio π_old/p, trainer to sampler, of each of these tokens; empty where a step of one update kept no copy of π_old.
    /// </summary>
    public double[] SamplerRatios { get; init; } = [];

    /// <summary>Completion tokens that have a gradient.</summary>
    public required int TrainedTokens { get; init; }

    /// <summary>Groups whose rewards were all equal; without a KL term they add nothing to the gradient.</summary>
    public required int EqualRewardGroups { get; init; }

    /// <summary>[completions, group after group] each one's advantage.</summary>
    public float[] Advantages { get; init; } = [];

    /// <summary>Seconds in forward, backward and optimizer.</summary>
    public required double Seconds { get; init; }

    /// <summary>Tokens that the forward and backward passes processed, prompts included.</summary>
    public required int ProcessedTokens { get; init; }

    /// <summary>
    /// The same tokens as the passes computed them: with padding, or with a prompt that samples share once a micro-batch.
    /// </summary>
    public long ComputedTokens { get; init; }

    /// <summary>Tokens that forward passes of the policy alone processed, prompts included.</summary>
    public int MeasuredTokens { get; init; }

    /// <summary>Updates of the weights.</summary>
    public int OptimizerSteps { get; init; }

    /// <summary>A sentence for each update that was not made because its loss or gradient was not finite.</summary>
    public IReadOnlyList<string> SkippedUpdates { get; init; } = [];

    /// <summary>How often a micro-batch did not fit into memory and was split.</summary>
    public int MicroBatchSplits { get; init; }

    /// <summary>
    /// Why the run must end after this step, with weights that are whole and hold what was learnt; null where nothing is
    /// wrong.
    /// </summary>
    public string? WhyOver { get; init; }

    /// <summary>The device's memory during the step; null on a CPU.</summary>
    public TrainingMemory? Memory { get; init; }
}
