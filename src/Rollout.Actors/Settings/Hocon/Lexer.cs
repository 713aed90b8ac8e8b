using System.Globalization;
using System.Text;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// Cuts a text into tokens for <see cref="HoconParser"/>. A character that begins no token is an error; nothing is
/// guessed or skipped.
/// </summary>
internal sealed class Lexer
{
    /// <summary>The characters that HOCON forbids in text without quotes.</summary>
    private const string Reserved = "$\"{}[]:=,+#`^?!@*&\\";

    private readonly string _text;
    private readonly SourceText _source;
    private int _next;
    private int _line = 1;
    private int _lineStart;

    /// <param name="text">The whole text; columns count from its beginning.</param>
    /// <param name="source">What messages call it.</param>
    /// <param name="start">The first character to read.</param>
    public Lexer(string text, SourceText source, int start = 0)
    {
        _text = text;
        _source = source;
        _next = start == 0 && text.StartsWith('\uFEFF') ? 1 : start;
        RefuseControlCharacters();
    }

    private char Current => _next < _text.Length ? _text[_next] : '\0';

    private Origin Here => new(_source, _line, _next - _lineStart + 1);

    /// <summary>The next token; at the end of the text always <see cref="TokenKind.End"/>.</summary>
    public Token Next()
    {
        SkipBlanksAndComment();
        var start = Here;
        if (_next == _text.Length)
            return new Token(TokenKind.End, "", start);
        switch (Current)
        {
            case '\n':
                _next++;
                _line++;
                _lineStart = _next;
                return new Token(TokenKind.NewLine, "\n", start);
            case '"':
                return new Token(TokenKind.Quoted, ReadQuoted(), start);
            case '$' when At("${"):
                return new Token(TokenKind.Substitution, ReadSubstitution(), start);
            case '+' when At("+="):
                throw start.Error("'+=' is not supported, expected the whole list: key = [A, B]");
            case var sign when SignOf(sign) is { } kind:
                _next++;
                return new Token(kind, sign.ToString(), start);
            case var c when Reserved.Contains(c) && c != '+':
                throw start.Error($"unexpected '{c}', expected quotes around a text that holds it");
            default:
                return new Token(TokenKind.Unquoted, ReadUnquoted(), start);
        }
    }

    private static TokenKind? SignOf(char c) => c switch
    {
        '{' => TokenKind.OpenBrace,
        '}' => TokenKind.CloseBrace,
        '[' => TokenKind.OpenBracket,
        ']' => TokenKind.CloseBracket,
        ',' => TokenKind.Comma,
        '=' or ':' => TokenKind.Assign,
        _ => null,
    };

    private bool At(string sign) => string.CompareOrdinal(_text, _next, sign, 0, sign.Length) == 0;

    private void SkipBlanksAndComment()
    {
        while (Current != '\n' && char.IsWhiteSpace(Current))
            _next++;
        if (Current == '#' || At("//"))
            _next = _text.IndexOf('\n', _next) is >= 0 and var end ? end : _text.Length;
    }

    /// <summary>Text up to the next reserved character, line break or comment, without the blanks behind it.</summary>
    private string ReadUnquoted()
    {
        var start = _next;
        for (; _next < _text.Length && Current != '\n' && !At("//"); _next++)
        {
            // A plus sign is text, as in 1e+6, unless it begins "+=".
            if (Current == '+' ? At("+=") : Reserved.Contains(Current))
                break;
        }
        return _text[start.._next].TrimEnd();
    }

    private string ReadQuoted()
    {
        var start = Here;
        if (At("\"\"\""))
        {
            throw start.Error(
                "texts in \"\"\" are not supported, expected one line in \"…\" with \\n for a line break");
        }
        var content = new StringBuilder();
        for (_next++; Current != '"';)
        {
            if (_next >= _text.Length || Current == '\n')
                throw start.Error("the text that begins here does not end, expected '\"' on the same line");
            content.Append(Current == '\\' ? ReadEscape() : _text[_next++]);
        }

        _next++;
        var text = content.ToString();
        for (var i = 0; i < text.Length; i += char.IsHighSurrogate(text[i]) ? 2 : 1)
        {
            if (!Rune.TryGetRuneAt(text, i, out _))
                throw start.Error("the text has half of a surrogate pair, expected both \\u escapes");
        }
        return text;
    }

    private char ReadEscape()
    {
        var start = Here;
        _next++;
        var named = "\"\\/bfnrt".IndexOf(Current);
        if (named >= 0)
        {
            _next++;
            return "\"\\/\b\f\n\r\t"[named];
        }

        var digits = _text.AsSpan(_next, Math.Min(5, _text.Length - _next));
        if (digits is ['u', _, _, _, _]
            && ushort.TryParse(digits[1..], NumberStyles.AllowHexSpecifier, null, out var code)
            && code != 0)
        {
            _next += 5;
            return (char)code;
        }

        throw start.Error(
            "unexpected '\\', expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t, or \\u0001 to \\uFFFF");
    }

    /// <summary>Reads <c>${path}</c> and gives the path.</summary>
    private string ReadSubstitution()
    {
        var start = Here;
        _next += 2;
        if (Current == '?')
            throw start.Error("'${?…}' is not supported, expected ${path}; leave the key out or give it by --set");
        var end = _text.AsSpan(_next).IndexOfAny('}', '\n');
        if (end < 0 || _text[_next + end] == '\n')
            throw start.Error("the substitution does not end, expected '}' on the same line");
        var path = _text.Substring(_next, end).Trim();
        _next += end + 1;
        return path;
    }

    private void RefuseControlCharacters()
    {
        for (var i = 0; i < _text.Length; i++)
        {
            if (Rune.TryGetRuneAt(_text, i, out var rune)
                && (!Rune.IsControl(rune) || rune.Value is '\t' or '\r' or '\n'))
            {
                i += rune.Utf16SequenceLength - 1;
                continue;
            }
            var before = _text.AsSpan(0, i);
            throw new Origin(_source, before.Count('\n') + 1, i - before.LastIndexOf('\n'))
                .Error($"unexpected character U+{(int)_text[i]:X4}, expected text");
        }
    }
}
