using Rollout.Actors.Data;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Rewards;

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
