using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>Statistics over all completions of a training step.</summary>
public sealed record StepSummary
{
    public required double RewardMean { get; init; }

    /// <summary>Population standard deviation of the rewards.</summary>
    public required double RewardStd { get; init; }

    /// <summary>Sampled tokens.</summary>
    public required long Tokens { get; init; }

    public required double MeanLength { get; init; }

    public required int MaxLength { get; init; }

    /// <summary>Share of completions that ended at their max tokens.</summary>
    public required double TruncatedShare { get; init; }

    /// <param name="groups">At least one, each with at least one completion.</param>
    public static StepSummary Of(IReadOnlyList<ScoredGroup> groups)
    {
        var rewards = groups.SelectMany(group => group.Rewards).ToArray();
        var completions = groups.SelectMany(group => group.Group.Completions).ToArray();
        var mean = rewards.Average();
        return new StepSummary
        {
            RewardMean = mean,
            RewardStd = Math.Sqrt(rewards.Average(reward => (reward - mean) * (reward - mean))),
            Tokens = completions.Sum(completion => (long)completion.Tokens.Length),
            MeanLength = completions.Average(completion => completion.Tokens.Length),
            MaxLength = completions.Max(completion => completion.Tokens.Length),
            TruncatedShare =
                completions.Average(completion => completion.Reason == FinishReason.Length ? 1.0 : 0.0),
        };
    }
}
