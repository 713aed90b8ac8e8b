using System.Text.RegularExpressions;

namespace Rollout.Actors.Rewards.Answers;

/// <summary>Judges whether an answer to a problem in mathematics is the expected one. Never throws.</summary>
internal static partial class MathAnswer
{
    private const int Longest = 2000;

    /// <summary>The two answers are the same.</summary>
    /// <param name="expected">The right answer.</param>
    /// <param name="given">The answer to judge.</param>
    public static bool Same(string expected, string given)
    {
        if (expected.Length > Longest || given.Length > Longest)
            return expected.Trim() == given.Trim();
        if (Words(expected) is { Length: > 0 } words && words == Words(given))
            return true;
        if (Choice().Match(expected) is { Success: true } choice && Choice().Match(given) is { Success: true } chosen)
            return choice.Groups["letter"].Value == chosen.Groups["letter"].Value;
        return MathParser.Parse(expected) is { } right && MathParser.Parse(given) is { } answer
            && AnswerComparer.Same(right, answer);
    }

    /// <summary>The text in one spelling. Spaces stay between letters or digits, where they separate.</summary>
    private static string Words(string text)
    {
        var plain = Markup().Replace(text, " $1 ").Trim().TrimEnd('.', ' ');
        plain = Spaces().Replace(plain, "");
        return plain.Length > 1 && plain.All(character => char.IsLetter(character) || character == ' ')
            ? plain.ToLowerInvariant()
            : plain;
    }

    [GeneratedRegex(@"\\(?:text|textbf|mathrm|mbox)\s*\{([^{}\\]*)\}|\\(?:left|right|[,;!: ])|\$|\\[()\[\]]")]
    private static partial Regex Markup();

    [GeneratedRegex(@"(?<![0-9A-Za-z])\s+|\s+(?![0-9A-Za-z])")]
    private static partial Regex Spaces();

    /// <summary>An answer by letter: A, (A), A. Paris, A) Paris, \text{(A)}.</summary>
    [GeneratedRegex(@"\A\s*(?:\\text(?:bf)?\s*\{)?\s*(?:\((?<letter>[A-J])\)|(?<letter>[A-J])(?:[.):]|\}|\s*\z))")]
    private static partial Regex Choice();
}
