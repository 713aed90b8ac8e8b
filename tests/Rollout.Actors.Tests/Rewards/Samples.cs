using Rollout.Actors.Data;
using Rollout.Actors.Rewards;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Rewards;

internal static class Samples
{
    /// <summary>A finished completion of a prompt with the answer, or without one.</summary>
    public static ScoredSample Of(string completion, string? answer = null, int tokens = 1) => new(
        new PromptItem(
            "p7", "prompt", answer is null ? [] : new Dictionary<string, string> { ["answer"] = answer }),
        completion, new int[tokens], FinishReason.Stop, MaxTokens: 64);

    public static async Task<double?> Score(this IRewardFunction reward, ScoredSample sample) =>
        await reward.ScoreAsync(sample, CancellationToken.None);
}
