using System.Text.RegularExpressions;
using Rollout.Actors.Text;

namespace Rollout.Actors.Rewards;

/// <summary>
/// 1 if a pattern matches somewhere in the completion, else 0. Anchor the pattern to match the whole.
/// </summary>
public sealed class FormatReward : IRewardFunction
{
    private readonly Regex _pattern;

    /// <exception cref="ArgumentException">The pattern is no regular expression.</exception>
    public FormatReward(string pattern) => _pattern = BoundedRegex.Compile(pattern);

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The match took too long; the message names the pattern.</exception>
    public ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        try
        {
            return ValueTask.FromResult(_pattern.IsMatch(sample.Completion) ? 1.0 : 0.0);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new InvalidDataException($"format: {BoundedRegex.TooSlow(_pattern, sample.Completion.Length)}");
        }
    }
}
