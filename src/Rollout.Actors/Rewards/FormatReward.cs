using System.Text.RegularExpressions;

namespace Rollout.Actors.Rewards;

/// <summary>
/// 1 if a pattern matches somewhere in the completion, else 0. Anchor it to match the whole.
/// </summary>
public sealed class FormatReward : IRewardFunction
{
    // A pattern that backtracks without end must not hold up a training step.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Regex _pattern;

    /// <exception cref="ArgumentException">It is no regular expression.</exception>
    public FormatReward(string pattern) =>
        _pattern = new Regex(pattern, RegexOptions.CultureInvariant, Patience);

    /// <inheritdoc/>
    /// <exception cref="RegexMatchTimeoutException">The match took longer than two seconds.</exception>
    public ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation) =>
        ValueTask.FromResult(_pattern.IsMatch(sample.Completion) ? 1.0 : 0.0);
}
