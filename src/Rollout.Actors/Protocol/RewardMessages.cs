using Rollout.Actors.Data;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of the reward actor.</summary>
public interface IRewardMessage;

/// <summary>From the trainer: score every completion of a finished group. Answered by <see cref="GroupScored"/> or <see cref="ScoringFailed"/>.</summary>
public sealed record ScoreGroup(PromptItem Item, GroupFinished Group, int MaxTokens) : IRewardMessage;

/// <summary>
/// Rewards and decoded texts in the order of the group's completions. A reward is the weighted sum of the functions that
/// judge the sample, NaN where none does.
/// </summary>
public sealed record GroupScored(GroupId Id, double[] Rewards, string[] Texts)
{
    /// <summary>What each reward function gave, before weights.</summary>
    public RewardValues[] ByFunction { get; init; } = [];
}

/// <summary>What one reward function gave.</summary>
/// <param name="Name">The function's name in the configuration.</param>
/// <param name="Values">A value a sample; NaN where it does not judge the sample.</param>
public sealed record RewardValues(string Name, double[] Values);

/// <summary>A reward function threw or took too long, or a completion can't be decoded: the group is not trained on.</summary>
public sealed record ScoringFailed(GroupId Id, string Reason);
