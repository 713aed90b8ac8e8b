namespace Rollout.Actors.Rewards;

/// <summary>max(0, 1 - |n - target| / target) for a completion of n tokens, the stop token included.</summary>
public sealed class LengthReward : IRewardFunction
{
    private readonly int _target;

    /// <param name="target">Tokens, at least 1.</param>
    public LengthReward(int target)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(target, 1);
        _target = target;
    }

    /// <inheritdoc/>
    public ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation) =>
        ValueTask.FromResult(Math.Max(0.0, 1.0 - ((double)Math.Abs(sample.Tokens.Length - _target) / _target)));
}
