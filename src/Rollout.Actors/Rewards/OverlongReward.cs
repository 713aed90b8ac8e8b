namespace Rollout.Actors.Rewards;

/// <summary>
/// DAPO's soft overlong punishment (arXiv 2503.14476, eq. 13), as TRL's get_soft_overlong_punishment. With n tokens, the
/// longest length L and the cache c: 0 for n ≤ L − c, ((L − c) − n) / c for L − c &lt; n ≤ L, and −1 beyond.
/// </summary>
public sealed class OverlongReward : IRewardFunction
{
    private readonly int _maxLength;
    private readonly int _cache;

    /// <param name="maxLength">L: the longest length in tokens, the stop token included.</param>
    /// <param name="cache">c: the tokens before it in which the punishment grows; 1 … L.</param>
    public OverlongReward(int maxLength, int cache)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cache, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(cache, maxLength);
        (_maxLength, _cache) = (maxLength, cache);
    }

    /// <inheritdoc/>
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        var (length, free) = (sample.Tokens.Length, _maxLength - _cache);
        return new(
            length <= free ? 0
            : length <= _maxLength ? (double)(free - length) / _cache
            : -1);
    }
}
