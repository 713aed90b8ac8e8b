using System.Text.RegularExpressions;
using Rollout.Actors.Text;

namespace Rollout.Actors.Rewards;

/// <summary>
/// The types <c>format</c> and <c>regex</c>: one value if a pattern matches somewhere in the completion, another if it
/// does not. Anchor the pattern to match the whole.
/// </summary>
/// <param name="pattern">Compiled by <see cref="BoundedRegex"/>, so that a match ends.</param>
/// <param name="match">The reward where it matches.</param>
/// <param name="noMatch">The reward where it does not; null judges only completions that match.</param>
public sealed class FormatReward(Regex pattern, double match = 1, double? noMatch = 0) : IRewardFunction
{
    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The match took too long; the message names the pattern.</exception>
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        try
        {
            return new(pattern.IsMatch(sample.Completion) ? match : noMatch);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new InvalidDataException(BoundedRegex.TooSlow(pattern, sample.Completion.Length));
        }
    }
}
