using Rollout.Actors.Rewards.Answers;

namespace Rollout.Actors.Rewards;

/// <summary>
/// 1 if the completion's final answer equals that of the prompt's answer as mathematics, else 0. The final answer is the
/// last \boxed; without one, what follows the last "####" or "answer is", the last formula, or the last number.
/// </summary>
/// <param name="onlyBoxed">An answer outside of \boxed is wrong.</param>
public sealed class MathReward(bool onlyBoxed = false) : IRewardFunction
{
    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The prompt has no field "answer", or it is empty.</exception>
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        var expected = AnswerText.Expected(sample.Require("answer"))
            ?? throw new InvalidDataException($"prompt {sample.Item.Id} has an empty answer");
        var given = AnswerText.Final(sample.Completion, onlyBoxed);
        return new(given is not null && MathAnswer.Same(expected, given) ? 1 : 0);
    }
}
