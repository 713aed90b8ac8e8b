using System.Text.RegularExpressions;
using FsCheck.Fluent;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

public sealed class BoundedRegexTests
{
    [Theory]
    [InlineData(@"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+")]
    [InlineData(@"(?i:'[s\u017F]|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s*[\r\n]+|\s+")]
    [InlineData(@"(1+)+$|a|aa|a1b")]
    [InlineData(@"a*?b|\p{N}")]
    public void A_pattern_without_lookaround_matches_the_same_in_linear_time(string pattern)
    {
        var bounded = BoundedRegex.Compile(pattern);
        var ordinary = new Regex(pattern, RegexOptions.CultureInvariant);
        Assert.True(bounded.Options.HasFlag(RegexOptions.NonBacktracking));
        var texts = Gen.Elements("a", "b", "1", "'s", "'S", "'\u017F", " ", "\n", "\r", "é", "日", "!").ArrayOf().Select(string.Concat);
        Prop.ForAll(texts.ToArbitrary(), text => Matches(bounded, text).SequenceEqual(Matches(ordinary, text)))
            .Holds(runs: 500);
    }

    [Fact]
    public void A_pattern_with_lookaround_backtracks_within_a_time_limit()
    {
        var bounded = BoundedRegex.Compile(@"\s+(?!\S)|\s");
        Assert.False(bounded.Options.HasFlag(RegexOptions.NonBacktracking));
        Assert.Equal(BoundedRegex.Timeout, bounded.MatchTimeout);
    }

    private static IEnumerable<(int, int)> Matches(Regex pattern, string text) =>
        pattern.Matches(text).Select(match => (match.Index, match.Length));
}
