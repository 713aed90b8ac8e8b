namespace Rollout.Actors.Rewards;

/// <summary>One reward function of a run.</summary>
/// <param name="Name">The configured type, for messages.</param>
/// <param name="Weight">The factor of the reward; may be negative.</param>
/// <param name="Function">Judges completions.</param>
public sealed record WeightedReward(string Name, double Weight, IRewardFunction Function);

/// <summary>
/// The sum of weight × reward over several functions, which judge a completion concurrently.
/// </summary>
public sealed class WeightedRewards : IRewardFunction
{
    private readonly WeightedReward[] _rewards;

    /// <exception cref="ArgumentException">There is no function, or a weight is not finite.</exception>
    public WeightedRewards(IEnumerable<WeightedReward> rewards)
    {
        _rewards = [.. rewards];
        if (_rewards.Length == 0)
            throw new ArgumentException("rewards names no reward function; expected at least one");
        if (Array.Find(_rewards, reward => !double.IsFinite(reward.Weight)) is { } wrong)
            throw new ArgumentException($"reward {wrong.Name}: weight {wrong.Weight} is not a finite number");
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">A function gave a number that is not finite.</exception>
    public async ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        var running = _rewards.Select(reward => reward.Function.ScoreAsync(sample, cancellation).AsTask());
        var scores = await Task.WhenAll(running).ConfigureAwait(false);
        var sum = 0.0;
        foreach (var (reward, score) in _rewards.Zip(scores))
        {
            if (!double.IsFinite(score))
                throw new InvalidOperationException(
                    $"reward {reward.Name} gave {score} for prompt {sample.Item.Id}, "
                    + "expected a finite number");
            sum += reward.Weight * score;
        }
        return sum;
    }
}
