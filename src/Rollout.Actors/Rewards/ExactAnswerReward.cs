namespace Rollout.Actors.Rewards;

/// <summary>
/// 1 if the completion is the prompt's answer to the letter, white space around both aside; else 0.
/// </summary>
public sealed class ExactAnswerReward : IRewardFunction
{
    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The prompt has no field "answer".</exception>
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation) =>
        new(
            sample.Completion.Trim() == sample.Require("answer").Trim() ? 1.0 : 0.0);
}
