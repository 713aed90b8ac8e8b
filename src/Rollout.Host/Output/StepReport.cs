using System.Text.Json.Serialization;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Output;

/// <summary>The figures of one training step: a line of metrics.jsonl, and what the live view shows.</summary>
public sealed record StepReport
{
    /// <summary>1 … <see cref="Steps"/>.</summary>
    public required int Step { get; init; }

    /// <summary>Training steps of the run.</summary>
    public required int Steps { get; init; }

    /// <summary>The version after the step's last update.</summary>
    public required int PolicyVersion { get; init; }

    /// <summary>Mean reward of all samples of the step.</summary>
    public required double RewardMean { get; init; }

    /// <summary>Standard deviation of those rewards.</summary>
    public required double RewardStd { get; init; }

    /// <summary>Share of held-out prompts (0 … 1) answered right; null where the step did not evaluate.</summary>
    public required double? HeldOutAccuracy { get; init; }

    /// <summary>Sampled tokens per second of generating.</summary>
    public required double RolloutTokensPerSecond { get; init; }

    /// <summary>Processed tokens, prompts included, per second of forward, backward and optimizer.</summary>
    public required double TrainTokensPerSecond { get; init; }

    /// <summary>Mean number of sampled tokens of a completion.</summary>
    public required double MeanCompletionLength { get; init; }

    public required int MaxCompletionLength { get; init; }

    /// <summary>Share of completions (0 … 1) that ended by length.</summary>
    public required double TruncatedShare { get; init; }

    /// <summary>The k3 estimate against the reference policy; 0 where beta is 0.</summary>
    public required double Kl { get; init; }

    /// <summary>Share of tokens (0 … 1) whose ratio was clipped.</summary>
    public required double ClipFraction { get; init; }

    /// <summary>Mean negative log-probability of the sampled tokens: an estimate of the entropy.</summary>
    public required double Entropy { get; init; }

    /// <summary>Mean |log π(trainer) − log μ(sampler)| of the sampled tokens under the same weights.</summary>
    public required double LogprobDifferenceMean { get; init; }

    public required double LogprobDifferenceMax { get; init; }

    /// <summary>The gradient's norm before clipping.</summary>
    public required double GradientNorm { get; init; }

    public required double LearningRate { get; init; }

    public required double Loss { get; init; }

    /// <summary>Groups whose rewards were all equal, which add nothing to the gradient.</summary>
    public required int EqualRewardGroups { get; init; }

    /// <summary>Groups reported as failed, which were not trained on.</summary>
    public required int FailedGroups { get; init; }

    /// <summary>KV blocks held by sequences at once, at most.</summary>
    public required int BlocksInUsePeak { get; init; }

    public required int BlocksTotal { get; init; }

    /// <summary>Logical blocks per physical block at the peak: 1 where nothing is shared.</summary>
    public required double SharingRatio { get; init; }

    /// <summary>Sequences that gave their blocks back and were prefilled again.</summary>
    public required int Preemptions { get; init; }

    /// <summary>Forward passes that failed and were tried again.</summary>
    public required int StepFailures { get; init; }

    public required double RolloutSeconds { get; init; }

    public required double TrainSeconds { get; init; }

    /// <summary>The GPU's memory in bytes at the four boundaries of the step; null on a CPU.</summary>
    public TrainingMemory? Memory { get; init; }

    /// <summary>
    /// Seconds of the whole step with scoring, barrier and evaluation; saving its checkpoint is not among them.
    /// </summary>
    public required double TotalSeconds { get; init; }

    /// <summary>
    /// Figures whose names the job decides: rewards/NAME/mean and rewards/NAME/std of each reward function, as TRL names
    /// them. Null where there are none.
    /// </summary>
    [JsonExtensionData]
    public Dictionary<string, object?>? ByName { get; init; }
}
