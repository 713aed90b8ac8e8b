using static Rollout.Actors.Settings.Hocon.TokenKind;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// Turns the tokens of one source into an object. Strict: what is not understood is an error, never skipped.
/// </summary>
internal sealed class HoconParser
{
    /// <summary>Braces, brackets and keys of a path inside each other.</summary>
    public const int MaxDepth = 64;

    private readonly TokenReader _tokens;
    private readonly IncludeReader _includes;
    private readonly string[][] _scopes;
    private int _depth;

    private HoconParser(List<Token> tokens, IncludeReader includes, string[][] scopes)
    {
        _tokens = new TokenReader(tokens);
        _includes = includes;
        _scopes = scopes;
    }

    /// <summary>
    /// Reads a whole source; its outermost braces may be left out. The scopes are the paths below which
    /// substitutions look, in this order: the place of the include that led here, those of the includes
    /// around it, and the root, which is the empty path.
    /// </summary>
    public static RawObject ParseSource(
        string text, SourceText source, IncludeReader includes, string[][] scopes)
    {
        var parser = new HoconParser(Tokenizer.Read(text, source), includes, scopes);
        var tokens = parser._tokens;
        tokens.SkipBlankLines();
        var root = new RawObject(scopes[0], tokens.Current.Origin);
        if (tokens.Current.Kind != OpenBrace)
        {
            parser.ReadFields(root, opened: null);
            return root;
        }

        parser.ReadFields(root, tokens.Take());
        tokens.SkipBlankLines();
        if (tokens.Current.Kind != End)
            throw tokens.Unexpected("the end of the file after the closing '}'");
        return root;
    }

    /// <summary>Reads one value that stands alone, as behind <c>--set key=</c>.</summary>
    public static RawValue ParseValue(
        string text, int start, SourceText source, IncludeReader includes, string[] path)
    {
        var parser = new HoconParser(Tokenizer.Read(text, source, start), includes, [[]]);
        var value = parser.ReadValue(path);
        if (parser._tokens.Current.Kind != End)
            throw parser._tokens.Unexpected("the end of the argument after the value");
        return value;
    }

    /// <summary>
    /// Reads the path of keys before <paramref name="text"/>'s first sign; the rest is for the caller.
    /// </summary>
    public static string[] ParsePath(string text, SourceText source)
    {
        var parser = new HoconParser(Tokenizer.Read(text, source), new IncludeReader(), [[]]);
        parser._tokens.SkipBlanks();
        var path = parser.ReadPath();
        parser._tokens.SkipBlanks();
        return parser._tokens.Current.Kind == End ? path : throw parser._tokens.Unexpected("key=value");
    }

    private void ReadFields(RawObject target, Token? opened)
    {
        while (true)
        {
            _tokens.SkipBlankLines();
            switch (_tokens.Current.Kind)
            {
                case End when opened is null:
                    return;
                case CloseBrace when opened is not null:
                    _tokens.Take();
                    return;
                case CloseBrace:
                    throw _tokens.Unexpected("a key or the end of the file, as no '{' is open");
                case End:
                    throw _tokens.Unexpected($"'}}' for the '{{' of line {opened!.Value.Origin.Line}");
            }

            ReadField(target);
            _tokens.SkipBlanks();
            if (_tokens.Current.Kind == Comma)
                _tokens.Take();
            else if (_tokens.Current.Kind is not (NewLine or CloseBrace or End))
                throw _tokens.Unexpected("',' or a new line before the next key");
        }
    }

    private void ReadField(RawObject target)
    {
        if (_tokens.TakeInclude() is { } include)
        {
            var place = target.Path
                ?? throw include.Origin.Error("cannot include inside a list, expected only values");
            string[][] scopes = place.SequenceEqual(_scopes[0]) ? _scopes : [place, .. _scopes];
            target.Merge(_includes.Read(include, scopes));
            return;
        }

        var path = ReadPath();
        string[] fullPath = target.Path is null ? path : [.. target.Path, .. path];
        if (fullPath.Length > MaxDepth)
            throw _tokens.Current.Origin.Error($"nested deeper than {MaxDepth} levels, expected fewer");
        _tokens.SkipBlanks();
        var sign = _tokens.Current;
        if (sign.Kind is Colon or EqualsSign or PlusEquals)
        {
            _tokens.Take();
            // Of what may follow on the next line only a bracket cannot be mistaken for the next key.
            _tokens.SkipBlankLinesBefore(OpenBrace, OpenBracket);
        }
        else if (sign.Kind != OpenBrace)
        {
            throw _tokens.Unexpected($"'=', ':', '+=' or '{{' after the key {KeyPath.Join(path)}");
        }

        var inList = target.Path is null;
        var value = sign.Kind == PlusEquals
            ? new RawConcatenation([new RawEarlier(sign.Origin), new RawList([ReadItem()], sign.Origin)])
            : ReadValue(inList ? null : fullPath);
        target.Put(path, value);
    }

    private string[] ReadPath()
    {
        var path = new List<string>();
        while (true)
        {
            if (_tokens.Current.Kind == Quoted)
            {
                path.Add(_tokens.Take().Text);
                if (_tokens.Current is not { Kind: Unquoted, Text: ['.', ..] })
                    return [.. path];
            }
            else if (_tokens.Current.Kind != Unquoted)
            {
                throw _tokens.Unexpected("a key");
            }

            // After a quoted key the text begins with the dot that joins the two; before one it ends with it.
            var text = _tokens.Take();
            var keys = text.Text.Split('.').AsSpan();
            if (path.Count > 0 && keys[0].Length == 0)
                keys = keys[1..];
            var quotedFollows = keys[^1].Length == 0 && _tokens.Current.Kind == Quoted;
            if (quotedFollows)
                keys = keys[..^1];
            foreach (var key in keys)
            {
                if (key.Length == 0)
                    throw text.Origin.Error("expected a key on both sides of every '.'");
                path.Add(key);
            }

            if (!quotedFollows)
                return [.. path];
        }
    }

    private RawValue ReadValue(string[]? path)
    {
        var pieces = new List<(Token First, RawValue Value)>();
        while (true)
        {
            var token = _tokens.Current;
            switch (token.Kind)
            {
                case Whitespace:
                case Unquoted:
                case Quoted:
                    _tokens.Take();
                    pieces.Add((token, new RawScalar(token.Text, token.Origin, token.Kind == Whitespace)));
                    break;
                case Substitution:
                    _tokens.Take();
                    pieces.Add((token, new RawSubstitution(token, _scopes)));
                    break;
                case OpenBrace:
                    pieces.Add((token, ReadObject(path)));
                    break;
                case OpenBracket:
                    pieces.Add((token, ReadList()));
                    break;
                case Comma or NewLine or CloseBrace or CloseBracket or End:
                    return ValuePieces.Join(pieces) ?? throw _tokens.Unexpected("a value");
                default:
                    throw _tokens.Unexpected("',' or a new line after the value, or quotes around all of it");
            }
        }
    }

    private RawObject ReadObject(string[]? path)
    {
        var opened = _tokens.Take();
        var target = new RawObject(path, opened.Origin);
        Enter(opened);
        ReadFields(target, opened);
        _depth--;
        return target;
    }

    private RawList ReadList()
    {
        var opened = _tokens.Take();
        var items = new List<RawSlot>();
        Enter(opened);
        while (true)
        {
            _tokens.SkipBlankLines();
            if (_tokens.Current.Kind == CloseBracket)
                break;
            if (_tokens.Current.Kind == End)
                throw _tokens.Unexpected($"']' for the '[' of line {opened.Origin.Line}");
            items.Add(ReadItem());
            if (_tokens.Current.Kind == Comma)
                _tokens.Take();
            else if (_tokens.Current.Kind is not (NewLine or CloseBracket or End))
                throw _tokens.Unexpected("',' or ']' in the list");
        }

        _tokens.Take();
        _depth--;
        return new RawList(items, opened.Origin);
    }

    private RawSlot ReadItem()
    {
        var item = new RawSlot("", path: null, owner: null);
        item.Add(ReadValue(path: null));
        return item;
    }

    private void Enter(Token opened)
    {
        if (++_depth > MaxDepth)
            throw opened.Origin.Error($"nested deeper than {MaxDepth} levels, expected fewer");
    }
}
