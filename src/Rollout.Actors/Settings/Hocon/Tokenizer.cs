using System.Globalization;
using System.Text;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// Cuts a text into tokens, as the HOCON specification defines them; nothing is guessed or skipped.
/// </summary>
internal sealed class Tokenizer
{
    /// <summary>Characters that the specification forbids in text without quotes.</summary>
    private const string Reserved = "$\"{}[]:=,+#`^?!@*&\\";

    private readonly string _text;
    private readonly SourceText _source;
    private readonly List<Token> _tokens = [];
    private int _next;
    private int _line = 1;
    private int _lineStart;

    private Tokenizer(string text, SourceText source)
    {
        _text = text;
        _source = source;
    }

    private char Current => _next < _text.Length ? _text[_next] : '\0';

    private Origin Here => new(_source, _line, _next - _lineStart + 1);

    /// <summary>
    /// All tokens from a character on, an <see cref="TokenKind.End"/> last; columns count from the text's
    /// beginning.
    /// </summary>
    public static List<Token> Read(string text, SourceText source, int start = 0)
    {
        var tokenizer = new Tokenizer(text, source);
        tokenizer.RefuseControlCharacters();
        tokenizer._next = start == 0 && text.StartsWith('\uFEFF') ? 1 : start;
        while (tokenizer._next < text.Length)
            tokenizer.ReadOne();
        tokenizer._tokens.Add(new Token(TokenKind.End, "", tokenizer.Here));
        return tokenizer._tokens;
    }

    private void ReadOne()
    {
        var start = Here;
        switch (Current)
        {
            case '\n':
                _next++;
                _tokens.Add(new Token(TokenKind.NewLine, "\n", start));
                _line++;
                _lineStart = _next;
                break;
            case '{':
                Sign(TokenKind.OpenBrace, "{");
                break;
            case '}':
                Sign(TokenKind.CloseBrace, "}");
                break;
            case '[':
                Sign(TokenKind.OpenBracket, "[");
                break;
            case ']':
                Sign(TokenKind.CloseBracket, "]");
                break;
            case ',':
                Sign(TokenKind.Comma, ",");
                break;
            case ':':
                Sign(TokenKind.Colon, ":");
                break;
            case '=':
                Sign(TokenKind.EqualsSign, "=");
                break;
            case '+' when At("+="):
                Sign(TokenKind.PlusEquals, "+=");
                break;
            case '#':
            case '/' when At("//"):
                _next = EndOf(c => c == '\n');
                break;
            case '"' when At("\"\"\""):
                _tokens.Add(new Token(TokenKind.Quoted, ReadTripleQuoted(), start));
                break;
            case '"':
                _tokens.Add(new Token(TokenKind.Quoted, ReadQuoted(), start));
                break;
            case '$' when At("${"):
                ReadSubstitution();
                break;
            case var c when char.IsWhiteSpace(c):
                Run(TokenKind.Whitespace, EndOf(c => c == '\n' || !char.IsWhiteSpace(c)));
                break;
            case var c when Reserved.Contains(c) && c != '+':
                throw start.Error($"unexpected '{c}', expected quotes around a text that holds it");
            default:
                Run(TokenKind.Unquoted, EndOfText());
                break;
        }
    }

    private bool At(string sign) => string.CompareOrdinal(_text, _next, sign, 0, sign.Length) == 0;

    private void Sign(TokenKind kind, string sign)
    {
        _tokens.Add(new Token(kind, sign, Here));
        _next += sign.Length;
    }

    private void Run(TokenKind kind, int end)
    {
        _tokens.Add(new Token(kind, _text[_next..end], Here));
        _next = end;
    }

    private int EndOf(Predicate<char> stops)
    {
        var end = _next;
        while (end < _text.Length && !stops(_text[end]))
            end++;
        return end;
    }

    // A plus sign is text (1e+6) unless it begins "+=".
    private int EndOfText()
    {
        var end = _next;
        for (; end < _text.Length; end++)
        {
            var c = _text[end];
            var following = end + 1 < _text.Length ? _text[end + 1] : '\0';
            if (c == '+' ? following == '=' : Reserved.Contains(c) || char.IsWhiteSpace(c))
                break;
            if (c == '/' && following == '/')
                break;
        }

        return end;
    }

    private string ReadTripleQuoted()
    {
        var start = Here;
        var first = _next + 3;
        var end = _text.IndexOf("\"\"\"", first, StringComparison.Ordinal);
        if (end < 0)
            throw start.Error("the text that begins here does not end, expected \"\"\" to end it");
        // Of more than three quotes the last three end the text.
        while (end + 3 < _text.Length && _text[end + 3] == '"')
            end++;
        for (var i = first; i < end; i++)
        {
            if (_text[i] != '\n')
                continue;
            _line++;
            _lineStart = i + 1;
        }

        _next = end + 3;
        return _text[first..end];
    }

    private string ReadQuoted()
    {
        var start = Here;
        var content = new StringBuilder();
        for (_next++; Current != '"';)
        {
            if (_next >= _text.Length || Current == '\n')
                throw start.Error("the text that begins here does not end, expected '\"' on the same line");
            if (Current == '\\')
                content.Append(ReadEscape());
            else
                content.Append(_text[_next++]);
        }

        _next++;
        var text = content.ToString();
        if (HasLoneSurrogate(text))
            throw start.Error("the text has half of a surrogate pair, expected both \\u escapes");
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
        if (digits.Length == 5 && digits[0] == 'u'
            && ushort.TryParse(digits[1..], NumberStyles.AllowHexSpecifier, null, out var code)
            && code != 0)
        {
            _next += 5;
            return (char)code;
        }

        throw start.Error(
            "unexpected '\\', expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t, or \\u0001 to \\uFFFF");
    }

    private void ReadSubstitution()
    {
        var start = Here;
        _next += 2;
        var optional = Current == '?';
        if (optional)
            _next++;
        SkipBlanks();
        var path = new List<string>();
        do
        {
            path.Add(ReadSubstitutionKey(start));
        }
        while (_text[_next++] == '.');

        if (path.Count > HoconParser.MaxDepth)
            throw start.Error($"expected a path of at most {HoconParser.MaxDepth} keys");
        _tokens.Add(new Token(TokenKind.Substitution, "", start, [.. path], optional));
    }

    /// <summary>Reads one key; stops on the '.' or '}' behind it.</summary>
    private string ReadSubstitutionKey(Origin start)
    {
        var quoted = Current == '"';
        var end = quoted ? 0 : EndOf(c => c == '.' || Reserved.Contains(c) || char.IsWhiteSpace(c));
        var key = quoted ? ReadQuoted() : _text[_next..end];
        if (!quoted)
            _next = end;
        SkipBlanks();
        if (!quoted && key.Length == 0 && (Current is '.' or '}'))
            throw start.Error("the substitution lacks a key, expected keys joined by '.'");
        if (Current is not ('.' or '}'))
            throw start.Error("the substitution does not end, expected keys joined by '.' and then '}'");
        return key;
    }

    private void SkipBlanks()
    {
        while (Current is ' ' or '\t')
            _next++;
    }

    private void RefuseControlCharacters()
    {
        for (var i = 0; i < _text.Length; i++)
        {
            var c = _text[i];
            if (c is '\t' or '\r' or '\n' || (!char.IsControl(c) && !char.IsSurrogate(c)))
                continue;
            if (char.IsSurrogatePair(_text, i))
            {
                i++;
                continue;
            }

            var before = _text.AsSpan(0, i);
            throw new Origin(_source, before.Count('\n') + 1, i - before.LastIndexOf('\n'))
                .Error($"unexpected character U+{(int)c:X4}, expected text");
        }
    }

    private static bool HasLoneSurrogate(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (!char.IsSurrogatePair(text, i))
                return true;
            i++;
        }

        return false;
    }
}
