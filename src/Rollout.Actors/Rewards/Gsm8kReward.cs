using System.Globalization;
using System.Text.RegularExpressions;

namespace Rollout.Actors.Rewards;

/// <summary>
/// 1 if the completion's number equals that of the prompt's answer, else 0. The number is the one after the first
/// "####" that a number follows, else the last number of the text. Currency signs, thousands' commas and a final
/// period don't count, and 18.00 equals 18.
/// </summary>
public sealed partial class Gsm8kReward : IRewardFunction
{
    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The prompt has no field "answer", or no number in it.</exception>
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        var answer = sample.Require("answer");
        var expected = Number(answer)
            ?? throw new InvalidDataException(
                $"prompt {sample.Item.Id} has no number in its answer \"{answer}\"");
        return new(Number(sample.Completion) == expected ? 1.0 : 0.0);
    }

    /// <summary>
    /// The final number of a worked answer; null if there is none, or a decimal can't hold it.
    /// </summary>
    public static decimal? Number(string text)
    {
        var found = Marked().Match(text);
        if (!found.Success)
            found = Last().Match(text);
        var digits = found.Groups["digits"].Value.Replace(",", "", StringComparison.Ordinal);
        const NumberStyles Style = NumberStyles.AllowDecimalPoint;
        if (!decimal.TryParse(digits, Style, CultureInfo.InvariantCulture, out var number))
            return null;
        return found.Groups["minus"].Success ? -number : number;
    }

    // A minus after a digit or a bracket subtracts; a comma or point counts only where digits follow.
    private const string NumberPattern =
        @"(?:(?<minus>(?<![0-9)\]])[-\u2212])(?:[$€£¥]\s?)?|[$€£¥]\s?(?<minus>[-\u2212])?)?"
        + @"(?<digits>[0-9]+(?:,[0-9]+)*(?:\.[0-9]+)?|\.[0-9]+)";

    [GeneratedRegex(@"####\s*" + NumberPattern, RegexOptions.CultureInvariant)]
    private static partial Regex Marked();

    [GeneratedRegex(NumberPattern, RegexOptions.CultureInvariant | RegexOptions.RightToLeft)]
    private static partial Regex Last();
}
