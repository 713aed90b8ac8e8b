namespace Rollout.Actors.Settings.Hocon;

internal enum TokenKind
{
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Comma,
    Assign,
    NewLine,
    Unquoted,
    Quoted,
    Substitution,
    End,
}

/// <summary>A piece of the text; blanks and comments are no tokens.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Text">The sign; a text without quotes and escapes; the path of a substitution.</param>
/// <param name="Origin">The place of its first character.</param>
internal readonly record struct Token(TokenKind Kind, string Text, Origin Origin)
{
    /// <summary>The token in a message.</summary>
    public string Shown => Kind switch
    {
        TokenKind.End => "the end of the " + (Origin.Source.IsArgument ? "argument" : "file"),
        TokenKind.NewLine => "the end of the line",
        TokenKind.Quoted => HoconWriter.QuoteShort(Text),
        TokenKind.Substitution => $"${{{HoconWriter.Short(Text)}}}",
        _ => $"'{HoconWriter.Short(Text)}'",
    };

    public HoconException Unexpected(string expected) => Origin.Error($"unexpected {Shown}, expected {expected}");
}
