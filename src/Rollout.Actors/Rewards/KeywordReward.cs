namespace Rollout.Actors.Rewards;

/// <summary>
/// 1 if the completion contains the keyword, else the length of the keyword's longest prefix in the completion, as a
/// share of the keyword. A random model scores above 0, and differently from sample to sample, as advantages need.
/// </summary>
public sealed class KeywordReward : IRewardFunction
{
    private readonly string _keyword;

    /// <exception cref="ArgumentException">The keyword is empty.</exception>
    public KeywordReward(string keyword)
    {
        ArgumentException.ThrowIfNullOrEmpty(keyword);
        _keyword = keyword;
    }

    /// <inheritdoc/>
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        var completion = sample.Completion.AsSpan();
        var longest = 0;
        for (var start = 0; start < completion.Length && longest < _keyword.Length; start++)
            longest = Math.Max(longest, completion[start..].CommonPrefixLength(_keyword));
        return new((double)longest / _keyword.Length);
    }
}
