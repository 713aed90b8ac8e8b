namespace Rollout.Gpu.Contracts;

/// <summary>
/// Statistics of one training step. Averages are over the trained completion tokens unless stated otherwise.
/// </summary>
public sealed record TrainStats
{
    /// <summary>The version after the optimizer's last step.</summary>
    public required PolicyVersion Version { get; init; }

    /// <summary>The aggregated loss of the last iteration.</summary>
    public required double Loss { get; init; }

    /// <summary>Norm of the gradient before clipping, last iteration.</summary>
    public required double GradientNorm { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>Share of tokens whose ratio was clipped, all iterations.</summary>
    public required double ClipFraction { get; init; }

    /// <summary>Mean of the k3 estimate against the reference policy; 0 where beta is 0.</summary>
    public required double Kl { get; init; }

    /// <summary>Mean negative log-probability of the sampled tokens under the policy, an entropy estimate.</summary>
    public required double Entropy { get; init; }

    /// <summary>Mean |log π(trainer) − log μ(sampler)| under the same weights, before the first update.</summary>
    public required double LogprobDifferenceMean { get; init; }

    /// <summary>The largest such difference.</summary>
    public required double LogprobDifferenceMax { get; init; }

    /// <summary>Completion tokens in the loss.</summary>
    public required int TrainedTokens { get; init; }

    /// <summary>Groups whose rewards were all equal, which add nothing to the gradient.</summary>
    public required int EqualRewardGroups { get; init; }

    /// <summary>Seconds in forward, backward and optimizer.</summary>
    public required double Seconds { get; init; }

    /// <summary>Tokens that the forward and backward passes processed, prompts included.</summary>
    public required int ProcessedTokens { get; init; }

    /// <summary>
    /// The same tokens as the passes computed them: with padding, or with a prompt that samples share once a micro-batch.
    /// </summary>
    public long ComputedTokens { get; init; }

    /// <summary>The device's memory during the step; null on a CPU.</summary>
    public TrainingMemory? Memory { get; init; }
}
