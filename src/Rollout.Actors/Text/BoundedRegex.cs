using System.Text.RegularExpressions;

namespace Rollout.Actors.Text;

/// <summary>
/// Compiles patterns that users and model folders bring, so that each match ends: in linear time where .NET can match
/// the pattern without backtracking, and within <see cref="Timeout"/> in any case.
/// </summary>
internal static class BoundedRegex
{
    /// <summary>The longest time of one match; <see cref="RegexMatchTimeoutException"/> follows.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    /// <param name="pattern">A regular expression of .NET.</param>
    /// <param name="timeout">The longest time of one match; null for <see cref="Timeout"/>.</param>
    /// <exception cref="ArgumentException">The pattern is no regular expression.</exception>
    public static Regex Compile(string pattern, TimeSpan? timeout = null)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, timeout ?? Timeout);
        }
        catch (NotSupportedException)
        {
            // Lookarounds and backreferences need backtracking.
            return new Regex(pattern, RegexOptions.Compiled | RegexOptions.CultureInvariant, timeout ?? Timeout);
        }
    }

    /// <summary>The sentence about a match that took too long.</summary>
    public static string TooSlow(Regex pattern, int length)
    {
        var shown = pattern.ToString() is { Length: > 200 } text ? text[..200] + "…" : pattern.ToString();
        return $"the pattern {shown} was not matched within {pattern.MatchTimeout.TotalSeconds} s on a text of {length} characters";
    }
}
