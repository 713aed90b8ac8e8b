namespace Rollout.Actors.Rewards.Answers;

/// <summary>Finds the final answer in a solution.</summary>
internal static class AnswerText
{
    private const string Boxed = "\\boxed";

    private static readonly string[] Markers = ["answer is", "answer:", "answer =", "answer**:", "answer:**"];

    /// <summary>
    /// The contents of the last \boxed; without one, what follows the last "####" or "answer is", the last formula
    /// between dollar signs, or the last number. An unfinished or empty \boxed is no answer. Null if there is none.
    /// </summary>
    /// <param name="text">A solution.</param>
    /// <param name="onlyBoxed">Accepts nothing but \boxed.</param>
    public static string? Final(string text, bool onlyBoxed = false)
    {
        var box = text.LastIndexOf(Boxed, StringComparison.Ordinal);
        if (box >= 0)
            return Inside(text, box + Boxed.Length);
        if (onlyBoxed)
            return null;
        var hashes = text.LastIndexOf("####", StringComparison.Ordinal);
        if (hashes >= 0)
            return NullIfEmpty(Line(text[(hashes + 4)..]));
        return AfterMarker(text) ?? LastFormula(text) ?? LastNumber(text);
    }

    /// <summary>The answer of a data set's field: the field itself, or the final answer of a worked solution.</summary>
    public static string? Expected(string field) =>
        field.Contains(Boxed, StringComparison.Ordinal) || field.Contains("####", StringComparison.Ordinal)
            ? Final(field)
            : NullIfEmpty(field);

    /// <summary>The text up to the brace that closes the one at a place.</summary>
    private static string? Inside(string text, int from)
    {
        while (from < text.Length && text[from] == ' ')
            from++;
        if (from >= text.Length || text[from] != '{')
            return from < text.Length && char.IsAsciiLetterOrDigit(text[from]) ? text[from].ToString() : null;
        var depth = 0;
        for (var i = from; i < text.Length; i++)
        {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '{')
                depth++;
            else if (text[i] == '}' && --depth == 0)
                return NullIfEmpty(text[(from + 1)..i]);
        }
        return null;
    }

    private static string? AfterMarker(string text)
    {
        var end = Markers.Max(marker =>
            text.LastIndexOf(marker, StringComparison.OrdinalIgnoreCase) is var at && at < 0 ? -1 : at + marker.Length);
        if (end < 0)
            return null;
        var rest = Line(text[end..]).TrimStart(':', ' ', '*');
        if (Between(rest, '$') is { } formula)
            return formula;
        var sentence = rest.IndexOf(". ", StringComparison.Ordinal);
        return NullIfEmpty((sentence < 0 ? rest : rest[..sentence]).TrimEnd('*', '.', ' '));
    }

    private static string? LastFormula(string text)
    {
        var end = text.LastIndexOf('$');
        var start = end > 0 ? text.LastIndexOf('$', end - 1) : -1;
        return start >= 0 && end - start < 400 ? NullIfEmpty(text[(start + 1)..end]) : null;
    }

    private static string? LastNumber(string text)
    {
        var end = text.Length;
        while (end > 0 && !char.IsAsciiDigit(text[end - 1]))
            end--;
        var start = end;
        while (start > 0 && (char.IsAsciiDigit(text[start - 1]) || text[start - 1] is '.' or ',' or '/'))
            start--;
        while (start < end && !char.IsAsciiDigit(text[start]) && text[start] != '.')
            start++;
        if (start == end)
            return null;
        // A minus after a digit or a bracket subtracts.
        var negative = start > 0 && text[start - 1] is '-' or '\u2212'
            && (start == 1 || !(char.IsAsciiLetterOrDigit(text[start - 2]) || text[start - 2] is ')' or ']'));
        var percent = end < text.Length && text[end] == '%' ? "%" : "";
        return (negative ? "-" : "") + text[start..end] + percent;
    }

    private static string? Between(string text, char mark)
    {
        var start = text.IndexOf(mark, StringComparison.Ordinal);
        var end = start < 0 ? -1 : text.IndexOf(mark, start + 1);
        return end < 0 ? null : NullIfEmpty(text[(start + 1)..end]);
    }

    private static string Line(string text) => text.Trim().Split('\n', 2)[0];

    private static string? NullIfEmpty(string text) => text.Trim() is { Length: > 0 } trimmed ? trimmed : null;
}
