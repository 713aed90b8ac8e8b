using Rollout.Actors.Data;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Rewards;

/// <summary>Judges one completion. Named in the configuration by its type; runs off the mailbox, concurrently.</summary>
public interface IRewardFunction
{
    /// <summary>The reward. An exception fails the group, with its message; it is never taken for 0.</summary>
    ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation);
}

/// <summary>A finished completion as a reward function sees it.</summary>
/// <param name="Item">The prompt and its fields.</param>
/// <param name="Completion">The decoded text, without special tokens.</param>
/// <param name="Tokens">The sampled ids, the stop token included.</param>
/// <param name="Reason">How it ended.</param>
/// <param name="MaxTokens">How long it was allowed to become.</param>
public sealed record ScoredSample(
    PromptItem Item, string Completion, int[] Tokens, FinishReason Reason, int MaxTokens);
