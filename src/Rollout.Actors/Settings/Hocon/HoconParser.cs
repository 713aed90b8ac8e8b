using static Rollout.Actors.Settings.Hocon.TokenKind;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// Reads one source into a tree, over what earlier sources gave, in one pass. What it does not understand is an
/// error, never skipped. A substitution stays a <see cref="HoconReference"/> until all sources are read.
/// </summary>
internal sealed class HoconParser
{
    /// <summary>Braces, brackets and keys of a path inside each other.</summary>
    public const int MaxDepth = 64;

    private readonly Lexer _lexer;
    private readonly HoconFiles _files;
    private Token _current;

    private HoconParser(Lexer lexer, HoconFiles files)
    {
        _lexer = lexer;
        _files = files;
        _current = lexer.Next();
    }

    /// <summary>Reads a whole source into an object that stands at a depth.</summary>
    public static void ReadSource(string text, SourceText source, HoconFiles files, HoconObject into, int depth)
    {
        var parser = new HoconParser(new Lexer(text, source), files);
        parser.ReadFields(into, opened: null, depth);
    }

    /// <summary>Reads the value of a key; it begins at a character of the text and ends with the text.</summary>
    public static void ReadValue(string text, int start, SourceText source, HoconObject holder, string key)
    {
        var parser = new HoconParser(new Lexer(text, source, start), new HoconFiles());
        parser.ReadValue(holder, key, depth: 0);
        if (parser._current.Kind != End)
            throw parser._current.Unexpected("the end of the argument after the value");
    }

    /// <summary>Reads a text that is nothing but a key or a path of keys.</summary>
    public static string[] ReadPath(string text, SourceText source)
    {
        var parser = new HoconParser(new Lexer(text, source), new HoconFiles());
        var path = PathOf(parser.Take());
        return parser._current.Kind == End ? path : throw parser._current.Unexpected("key=value");
    }

    private Token Take()
    {
        var taken = _current;
        _current = _lexer.Next();
        return taken;
    }

    private void SkipNewLines()
    {
        while (_current.Kind == NewLine)
            Take();
    }

    private void ReadFields(HoconObject target, Token? opened, int depth)
    {
        while (true)
        {
            SkipNewLines();
            switch (_current.Kind)
            {
                case End when opened is null:
                    return;
                case CloseBrace when opened is not null:
                    Take();
                    return;
                case CloseBrace:
                    throw _current.Unexpected("a key or the end of the file, as no '{' is open");
                case End:
                    throw _current.Unexpected($"'}}' for the '{{' of line {opened!.Value.Origin.Line}");
                case OpenBrace:
                    throw _current.Unexpected("a key; a file has no braces around all of it");
            }

            ReadField(target, depth);
            if (_current.Kind == Comma)
                Take();
            else if (_current.Kind is not (NewLine or CloseBrace or End))
                throw _current.Unexpected("',' or a new line after the value, or quotes around all of it");
        }
    }

    private void ReadField(HoconObject target, int depth)
    {
        var first = Take();
        if (IsInclude(first))
        {
            _files.Include(Take(), target, depth);
            return;
        }

        var path = PathOf(first);
        if (depth + path.Length > MaxDepth)
            throw first.Origin.Error($"nested deeper than {MaxDepth} levels, expected fewer");
        if (_current.Kind == Assign)
            Take();
        else if (_current.Kind != OpenBrace)
            throw _current.Unexpected($"'=' or '{{' after the key {HoconWriter.Path(path)}");

        var holder = target;
        foreach (var key in path[..^1])
            holder = holder.Section(key, _current.Origin);
        ReadValue(holder, path[^1], depth + path.Length);
    }

    /// <summary>Reads the value of a key. An object adds its keys to those that are there already.</summary>
    private void ReadValue(HoconObject holder, string key, int depth)
    {
        if (_current.Kind != OpenBrace)
        {
            holder.Set(key, ReadPlain(depth));
            return;
        }
        var opened = Take();
        ReadFields(holder.Section(key, opened.Origin), opened, depth);
    }

    /// <summary>True before the name of <c>include "FILE"</c>; a key may also be called include.</summary>
    private bool IsInclude(Token first)
    {
        if (first is not { Kind: Unquoted })
            return false;
        if (first.Text.StartsWith("include ", StringComparison.Ordinal))
            throw first.Origin.Error("expected include \"FILE\", with nothing but quotes around the name");
        return first.Text == "include" && _current.Kind == Quoted;
    }

    /// <summary>The keys of <c>a.b.c</c>; a key in quotes stands alone, as a dot in it is no separator.</summary>
    private static string[] PathOf(Token token)
    {
        if (token.Kind == Quoted)
            return [token.Text];
        if (token.Kind != Unquoted)
            throw token.Unexpected("a key");
        var path = token.Text.Split('.');
        if (path.Any(key => key.Length == 0))
        {
            throw token.Origin.Error(
                "expected a key on both sides of every '.'; a key in quotes stands alone: a { \"b.c\" = 1 }");
        }
        return path.FirstOrDefault(key => key.Any(char.IsWhiteSpace)) is { } wide
            ? throw token.Origin.Error(
                $"unexpected blank in the key '{HoconWriter.Short(wide)}', expected quotes around it")
            : path;
    }

    /// <summary>Reads any value but an object.</summary>
    private HoconValue ReadPlain(int depth)
    {
        switch (_current.Kind)
        {
            case Unquoted when _current.Text == "null":
                throw _current.Origin.Error("null is not supported, expected a value, or quotes around it");
            case Unquoted or Quoted:
                var text = Take();
                return new HoconScalar(text.Text, text.Origin);
            case Substitution:
                return ReadReference();
            case OpenBracket:
                return ReadList(depth + 1);
            default:
                throw _current.Unexpected("a value");
        }
    }

    private HoconReference ReadReference()
    {
        var token = Take();
        var path = token.Text.Split('.');
        return path.Any(key => key.Length == 0 || key.AsSpan().ContainsAny(" \t\"$"))
            ? throw token.Unexpected("${path}, with the keys from the root joined by '.'")
            : new HoconReference(path, token.Origin);
    }

    private HoconObject ReadObject(int depth)
    {
        var opened = Take();
        var read = new HoconObject(opened.Origin);
        ReadFields(read, opened, depth);
        return read;
    }

    private HoconList ReadList(int depth)
    {
        var opened = Take();
        if (depth > MaxDepth)
            throw opened.Origin.Error($"nested deeper than {MaxDepth} levels, expected fewer");
        var items = new List<HoconValue>();
        while (true)
        {
            SkipNewLines();
            if (_current.Kind == CloseBracket)
                break;
            if (_current.Kind == End)
                throw _current.Unexpected($"']' for the '[' of line {opened.Origin.Line}");
            items.Add(_current.Kind == OpenBrace ? ReadObject(depth) : ReadPlain(depth));
            if (_current.Kind == Comma)
                Take();
            else if (_current.Kind is not (NewLine or CloseBracket or End))
                throw _current.Unexpected("',' or ']' in the list");
        }

        Take();
        return new HoconList(items, opened.Origin);
    }
}
