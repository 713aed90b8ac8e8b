using System.Buffers;
using System.Globalization;

namespace Rollout.Actors.Text;

/// <summary>An added token of tokenizer.json, which is cut out of the text before any merging.</summary>
/// <param name="Id">Its token id.</param>
/// <param name="Content">Its exact text.</param>
/// <param name="Special">True if decoded text leaves it out by default.</param>
/// <param name="Normalized">True if it is searched in the normalised text instead of the raw one.</param>
/// <param name="TakesLeft">True if it swallows the white space before it (lstrip).</param>
/// <param name="TakesRight">True if it swallows the white space after it (rstrip).</param>
/// <param name="SingleWord">True if it is found only where no letter, digit or underscore adjoins.</param>
internal sealed record AddedToken(
    int Id, string Content, bool Special, bool Normalized, bool TakesLeft, bool TakesRight, bool SingleWord);

/// <summary>
/// Finds added tokens in a text: the leftmost first, and of those that begin together the longest.
/// </summary>
internal sealed class AddedTokens
{
    private readonly ILookup<char, AddedToken> _longestFirst;
    private readonly SearchValues<string> _contents;

    public AddedTokens(IEnumerable<AddedToken> tokens)
    {
        var found = tokens.Where(token => token.Content.Length > 0).ToList();
        _longestFirst = found.OrderByDescending(token => token.Content.Length)
            .ToLookup(token => token.Content[0]);
        _contents = SearchValues.Create([.. found.Select(token => token.Content)], StringComparison.Ordinal);
    }

    /// <summary>
    /// Calls back, in the order of the text, with each added token and each stretch between them; none is empty.
    /// </summary>
    public void Split(string text, Action<string> stretch, Action<AddedToken> token)
    {
        var done = 0;
        for (var from = 0; from < text.Length;)
        {
            var at = text.AsSpan(from).IndexOfAny(_contents);
            if (at < 0)
                break;
            var start = from + at;
            if (LongestAt(text, start) is not { } found)
            {
                from = start + 1;
                continue;
            }

            var end = start + found.Content.Length;
            for (; found.TakesLeft && start > done && char.IsWhiteSpace(text[start - 1]); start--) { }
            for (; found.TakesRight && end < text.Length && char.IsWhiteSpace(text[end]); end++) { }
            if (start > done)
                stretch(text[done..start]);
            token(found);
            done = from = end;
        }
        if (done < text.Length)
            stretch(text[done..]);
    }

    private AddedToken? LongestAt(string text, int start)
    {
        foreach (var token in _longestFirst[text[start]])
        {
            var end = start + token.Content.Length;
            if (string.CompareOrdinal(text, start, token.Content, 0, token.Content.Length) == 0
                && !(token.SingleWord && (IsWord(text, start - 1) || IsWord(text, end))))
                return token;
        }
        return null;
    }

    /// <summary>
    /// True for letters, marks, digits, connectors and joiners, as \w in Hugging Face's regular expressions.
    /// </summary>
    private static bool IsWord(string text, int at)
    {
        if (at < 0 || at >= text.Length)
            return false;
        if (char.IsLowSurrogate(text[at]))
            at--;
        return text[at] is '\u200C' or '\u200D' || CharUnicodeInfo.GetUnicodeCategory(text, at) is
            <= UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;
    }
}
