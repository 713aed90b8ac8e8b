using System.Text.Json;

namespace Rollout.Actors.Settings.Hocon;

internal enum TokenKind
{
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Comma,
    Colon,
    EqualsSign,
    PlusEquals,
    NewLine,
    Whitespace,
    Unquoted,
    Quoted,
    Substitution,
    End,
}

/// <summary>A piece of the text. Comments are none.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">
/// Of texts their content, without quotes and escapes; of whitespace and signs what stands there.
/// </param>
/// <param name="Origin">Where it begins.</param>
/// <param name="Path">The keys of a substitution.</param>
/// <param name="Optional">A substitution with a question mark.</param>
internal readonly record struct Token(
    TokenKind Kind, string Text, Origin Origin, string[]? Path = null, bool Optional = false)
{
    private const int ShownLength = 40;

    /// <summary>The token as a sentence names it.</summary>
    public string Shown => Kind switch
    {
        TokenKind.End => "the end of the " + (Origin.Source.IsArgument ? "argument" : "file"),
        TokenKind.NewLine => "the end of the line",
        TokenKind.Quoted => Quote(Text),
        TokenKind.Substitution => KeyPath.Substitution(Path!, Optional),
        _ => $"'{Short(Text)}'",
    };

    public static string Quote(string text) => JsonSerializer.Serialize(Short(text), JsonText.Readable);

    private static string Short(string text) => text.Length <= ShownLength ? text : text[..ShownLength] + "…";
}
