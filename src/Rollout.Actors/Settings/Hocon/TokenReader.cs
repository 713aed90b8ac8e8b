using static Rollout.Actors.Settings.Hocon.TokenKind;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>An include statement: the file as written, relative to the including one.</summary>
internal readonly record struct Include(string File, Origin Origin);

/// <summary>A place in a list of tokens.</summary>
internal sealed class TokenReader(List<Token> tokens)
{
    private int _next;

    public Token Current => tokens[_next];

    public Token Take() => Current.Kind == End ? Current : tokens[_next++];

    public void SkipBlanks()
    {
        while (Current.Kind == Whitespace)
            _next++;
    }

    public void SkipBlankLines()
    {
        while (Current.Kind is Whitespace or NewLine)
            _next++;
    }

    /// <summary>Skips blank lines where one of these follows them; blanks in any case.</summary>
    public void SkipBlankLinesBefore(TokenKind first, TokenKind second)
    {
        SkipBlanks();
        var before = _next;
        SkipBlankLines();
        if (Current.Kind != first && Current.Kind != second)
            _next = before;
    }

    public ConfigurationException Unexpected(string expected) =>
        Current.Origin.Error($"unexpected {Current.Shown}, expected {expected}");

    /// <summary>
    /// Takes <c>include "f"</c>, or with <c>file("f")</c>, <c>required("f")</c>, <c>required(file("f"))</c>
    /// around the name. A key named include, with '=', ':' or '{' behind it, is left alone.
    /// </summary>
    public Include? TakeInclude()
    {
        var statement = _next;
        if (Current is not { Kind: Unquoted, Text: "include" })
            return null;
        Take();
        SkipBlanks();
        if (Current.Kind is not (Unquoted or Quoted))
        {
            _next = statement;
            return null;
        }

        var around = TakeTexts();
        if (around is not ("" or "file(" or "required(" or "required(file(") || Current.Kind != Quoted)
        {
            _next = statement;
            throw Current.Origin.Error(
                "expected include \"FILE\", include file(\"FILE\") or include required(\"FILE\")");
        }

        var file = Take();
        var parentheses = new string(')', around.Count(c => c == '('));
        if (parentheses.Length > 0 && TakeTexts() != parentheses)
            throw file.Origin.Error($"expected {parentheses} after the name of the included file");
        return new Include(file.Text, file.Origin);
    }

    private string TakeTexts()
    {
        var text = "";
        for (SkipBlanks(); Current.Kind == Unquoted; SkipBlanks())
            text += Take().Text;
        return text;
    }
}
