namespace Rollout.Actors.Rewards;

/// <summary>
/// max(0, 1 - |n - target| / target) for a completion of n tokens, including the stop token.
/// </summary>
public sealed class LengthReward : IRewardFunction
{
    private readonly int _target;

    /// <param name="target">The best number of tokens, at least 1.</param>
    public LengthReward(int target)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(target, 1);
        _target = target;
    }

    /// <inheritdoc/>
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        var distance = Math.Abs(sample.Tokens.Length - _target);
        return new(Math.Max(0.0, 1.0 - ((double)distance / _target)));
    }
}
