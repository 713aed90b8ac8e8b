using System.Text.RegularExpressions;

namespace Rollout.Actors.Rewards.Answers;

/// <summary>Cuts an answer in LaTeX or plain text into tokens, in time linear in its length.</summary>
internal static partial class MathLexer
{
    private static readonly Dictionary<string, string> Signs = new(StringComparer.Ordinal)
    {
        ["cdot"] = "*",
        ["times"] = "*",
        ["ast"] = "*",
        ["div"] = "/",
        ["le"] = "≤",
        ["leq"] = "≤",
        ["leqslant"] = "≤",
        ["ge"] = "≥",
        ["geq"] = "≥",
        ["geqslant"] = "≥",
        ["lt"] = "<",
        ["gt"] = ">",
        ["ne"] = "≠",
        ["neq"] = "≠",
        ["pm"] = "±",
        ["mp"] = "±",
        ["cup"] = "∪",
        ["in"] = "∈",
        ["approx"] = "≈",
        ["to"] = "→",
        ["circ"] = "°",
        ["degree"] = "°",
        ["lbrace"] = "\\{",
        ["rbrace"] = "\\}",
        ["mid"] = "|",
        ["vert"] = "|",
        ["lvert"] = "|",
        ["rvert"] = "|",
        ["colon"] = ":",
    };

    private static readonly HashSet<string> Ignored = new(StringComparer.Ordinal)
    {
        "left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "displaystyle", "textstyle", "quad", "qquad",
        "limits", "boxed", "fbox", "mathstrut", "enspace", "thinspace", "approx", "boldsymbol",
    };

    private static readonly HashSet<string> Texts = new(StringComparer.Ordinal)
    {
        "text", "textbf", "textit", "textrm", "mathrm", "mathbf", "mathit", "mbox", "operatorname", "textnormal", "mathsf",
    };

    private static readonly Dictionary<char, string> Letters = new()
    {
        ['−'] = "-",
        ['–'] = "-",
        ['×'] = "*",
        ['·'] = "*",
        ['⋅'] = "*",
        ['∗'] = "*",
        ['÷'] = "/",
        ['∕'] = "/",
        ['≤'] = "≤",
        ['≥'] = "≥",
        ['≠'] = "≠",
        ['±'] = "±",
        ['∪'] = "∪",
        ['∈'] = "∈",
        ['°'] = "°",
        ['≈'] = "≈",
        ['→'] = "→",
    };

    /// <summary>The tokens, an <see cref="MathTokenKind.End"/> last.</summary>
    public static List<MathToken> Read(string text)
    {
        var tokens = new List<MathToken>();
        var (depth, space) = (0, false);
        for (var at = 0; at < text.Length;)
        {
            var character = text[at];
            if (char.IsWhiteSpace(character) || character is '~' or '$')
            {
                space = true;
                at++;
                continue;
            }
            var before = tokens.Count;
            at = character switch
            {
                '\\' => Command(text, at, tokens),
                >= '0' and <= '9' or '.' when Number(depth).Match(text, at) is { Success: true } number && number.Index == at =>
                    AddNumber(number, tokens),
                _ when char.IsAsciiLetter(character) => AddLetters(text, at, tokens, space),
                _ => AddSign(text, at, tokens),
            };
            if (tokens.Count > before)
            {
                tokens[before] = tokens[before] with { AfterSpace = space };
                space = false;
                depth += tokens[^1] switch
                {
                    { Kind: MathTokenKind.Sign, Text: "(" or "[" or "{" or "\\{" } => 1,
                    { Kind: MathTokenKind.Sign, Text: ")" or "]" or "}" or "\\}" } => -1,
                    _ => 0,
                };
            }
        }
        tokens.Add(new MathToken(MathTokenKind.End, ""));
        return tokens;
    }

    private static int AddNumber(Match number, List<MathToken> tokens)
    {
        tokens.Add(new MathToken(MathTokenKind.Number, Separators().Replace(number.Value, "")));
        return number.Index + number.Length;
    }

    private static int Command(string text, int at, List<MathToken> tokens)
    {
        var end = at + 1;
        while (end < text.Length && char.IsAsciiLetter(text[end]))
            end++;
        var name = text[(at + 1)..end];
        if (name.Length == 0)
            return Escape(text, at, tokens);
        if (Texts.Contains(name) && Braced(text, end) is var (inside, after))
        {
            AddText(inside, tokens);
            return after;
        }
        if (name is "begin" or "end" && Braced(text, end) is var (environment, next))
        {
            tokens.Add(new MathToken(MathTokenKind.Name, $"{name} {environment}"));
            return next;
        }
        if (Signs.TryGetValue(name, out var sign))
            tokens.Add(new MathToken(MathTokenKind.Sign, sign));
        else if (!Ignored.Contains(name))
            tokens.Add(new MathToken(MathTokenKind.Name, Spelled(name)));
        return end;
    }

    private static int Escape(string text, int at, List<MathToken> tokens)
    {
        switch (at + 1 < text.Length ? text[at + 1] : ' ')
        {
            case '{':
                tokens.Add(new MathToken(MathTokenKind.Sign, "\\{"));
                break;
            case '}':
                tokens.Add(new MathToken(MathTokenKind.Sign, "\\}"));
                break;
            case '%':
                tokens.Add(new MathToken(MathTokenKind.Sign, "%"));
                break;
            case '$':
                tokens.Add(new MathToken(MathTokenKind.Sign, "currency dollar"));
                break;
            case '\\':
                tokens.Add(new MathToken(MathTokenKind.Sign, "row"));
                break;
            case '|':
                tokens.Add(new MathToken(MathTokenKind.Sign, "|"));
                break;
            default:
                break; // spaces and marks of inline formulas
        }
        return Math.Min(at + 2, text.Length);
    }

    private static void AddText(string inside, List<MathToken> tokens)
    {
        var words = inside.Trim();
        if (words.Length == 0)
            return;
        if (double.TryParse(words, System.Globalization.CultureInfo.InvariantCulture, out _) || words is "," or "." or "%")
        {
            tokens.AddRange(Read(words).SkipLast(1));
            return;
        }
        foreach (var word in words.Replace("/", " / ", StringComparison.Ordinal).Split([' ', ',', '.'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (word == "/")
            {
                tokens.Add(new MathToken(MathTokenKind.Sign, word));
                continue;
            }
            tokens.Add(MathWords.Functions.Contains(word)
                ? new MathToken(MathTokenKind.Name, word)
                : new MathToken(MathTokenKind.Word, word.Trim('(', ')')));
        }
    }

    private static int AddLetters(string text, int at, List<MathToken> tokens, bool space)
    {
        var end = at;
        while (end < text.Length && char.IsAsciiLetter(text[end]))
            end++;
        var run = text[at..end];
        if (MathWords.Functions.Contains(run) || MathWords.Constants.Contains(run))
            tokens.Add(new MathToken(MathTokenKind.Name, Spelled(run)));
        else if (run.Length > 2 || MathWords.IsShortUnit(run) || IsSpacedUnit())
            tokens.Add(new MathToken(MathTokenKind.Word, run));
        else
            tokens.AddRange(run.Select(letter => new MathToken(MathTokenKind.Name, letter.ToString())));
        return end;

        bool IsSpacedUnit() => space && run is "m" or "g" or "s" or "L" or "h" && end == text.TrimEnd().Length
            && tokens.Count > 0 && tokens[^1].Kind == MathTokenKind.Number;
    }

    private static int AddSign(string text, int at, List<MathToken> tokens)
    {
        var character = text[at];
        switch (character)
        {
            case 'π' or '√' or '∞' or '∅':
                tokens.Add(new MathToken(
                    MathTokenKind.Name, character switch { 'π' => "pi", '√' => "sqrt", '∞' => "infty", _ => "emptyset" }));
                break;
            case '²' or '³':
                tokens.Add(new MathToken(MathTokenKind.Sign, "^"));
                tokens.Add(new MathToken(MathTokenKind.Number, character == '²' ? "2" : "3"));
                break;
            case '€' or '£':
                tokens.Add(new MathToken(MathTokenKind.Sign, character == '€' ? "currency euro" : "currency pound"));
                break;
            case '*' when at + 1 < text.Length && text[at + 1] == '*':
                tokens.Add(new MathToken(MathTokenKind.Sign, "^"));
                return at + 2;
            case '<' or '>' when at + 1 < text.Length && text[at + 1] == '=':
                tokens.Add(new MathToken(MathTokenKind.Sign, character == '<' ? "≤" : "≥"));
                return at + 2;
            default:
                tokens.Add(Letters.TryGetValue(character, out var sign)
                    ? new MathToken(MathTokenKind.Sign, sign)
                    : char.IsLetter(character)
                        ? new MathToken(MathTokenKind.Name, character.ToString())
                        : new MathToken(MathTokenKind.Sign, character.ToString()));
                break;
        }
        return at + 1;
    }

    private static (string Inside, int After)? Braced(string text, int at)
    {
        while (at < text.Length && text[at] == ' ')
            at++;
        if (at >= text.Length || text[at] != '{')
            return null;
        var end = text.IndexOf('}', at);
        return end < 0 ? null : (text[(at + 1)..end], end + 1);
    }

    private static string Spelled(string name) => name switch
    {
        "dfrac" or "tfrac" or "cfrac" => "frac",
        "dbinom" or "tbinom" => "binom",
        "infinity" or "inf" => "infty",
        "varnothing" => "emptyset",
        "dots" or "ldots" or "cdots" => "dots",
        _ => name,
    };

    private static Regex Number(int depth) => depth == 0 ? OuterNumber() : InnerNumber();

    // A comma within brackets separates parts, unless it is braced.
    [GeneratedRegex(@"\G(?:[0-9]{1,3}(?:(?:\{,\}|,\\!|\\,|\\ )[0-9]{3}(?![0-9]))+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+|\.(?=\\(?:overline|bar)))?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4}(?![0-9]))?")]
    private static partial Regex InnerNumber();

    [GeneratedRegex(@"\G(?:[0-9]{1,3}(?:(?:,|\{,\}|,\\!|\\,|\\ |\u2009)[0-9]{3}(?![0-9]))+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+|\.(?=\\(?:overline|bar)))?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4}(?![0-9]))?")]
    private static partial Regex OuterNumber();

    [GeneratedRegex(@"[^0-9.eE+-]")]
    private static partial Regex Separators();
}
