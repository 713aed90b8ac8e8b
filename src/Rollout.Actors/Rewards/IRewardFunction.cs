using Rollout.Actors.Data;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Rewards;

/// <summary>
/// Judges one completion. The configuration names it by its type. It runs off the mailbox, concurrently.
/// </summary>
public interface IRewardFunction
{
    /// <summary>The reward. An exception fails the group with its message; it is never taken for 0.</summary>
    /// <param name="sample">The completion and its prompt.</param>
    /// <param name="cancellation">
    /// Cancelled at <c>train.reward-timeout</c>: return or throw then. The run ends when too many functions do neither.
    /// </param>
    ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation);
}

/// <summary>A finished completion, as a reward function sees it.</summary>
/// <param name="Item">The prompt and its fields.</param>
/// <param name="Completion">The decoded text, without special tokens.</param>
/// <param name="Tokens">The sampled ids, the stop token included.</param>
/// <param name="Reason">Why it ended.</param>
/// <param name="MaxTokens">The most tokens that it was allowed.</param>
public sealed record ScoredSample(
    PromptItem Item, string Completion, int[] Tokens, FinishReason Reason, int MaxTokens)
{
    /// <summary>The text of a field of the prompt.</summary>
    /// <exception cref="InvalidDataException">The prompt has no such field.</exception>
    public string Require(string field) => Item.Fields.TryGetValue(field, out var value)
        ? value
        : throw new InvalidDataException($"prompt {Item.Id} has no field \"{field}\", which its reward needs");
}
