using System.Numerics;
using static Rollout.Actors.Rewards.Answers.Expression;

namespace Rollout.Actors.Rewards.Answers;

/// <summary>
/// Parses an answer in LaTeX or plain text. Depth and length are bounded, so that every text is parsed or refused in a
/// short time.
/// </summary>
internal sealed partial class MathParser
{
    private const int MaxTokens = 1000;
    private const int MaxDepth = 60;

    private static readonly string[] Relations = ["=", "<", ">", "≤", "≥", "≠", "∈", "≈", ":", "→"];

    private readonly List<MathToken> _tokens;
    private int _at;
    private int _depth;

    private MathParser(List<MathToken> tokens) => _tokens = tokens;

    private MathToken Next => _tokens[_at];

    /// <summary>The answer; null if the text is none that this parser knows.</summary>
    public static Expression? Parse(string text)
    {
        var tokens = MathLexer.Read(text);
        if (tokens.Count > MaxTokens)
            return null;
        var parser = new MathParser(tokens);
        try
        {
            var answer = parser.List(",");
            if (parser.Next.Is("."))
                parser._at++;
            return parser.Next.Kind == MathTokenKind.End ? answer : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>Parts between commas; the part itself if there is one.</summary>
    private Expression List(string kind)
    {
        var parts = new List<Expression> { Relation() };
        while (IsSeparator())
        {
            while (IsSeparator())
                _at++;
            parts.Add(Relation());
        }
        return parts.Count == 1 ? parts[0] : new Several(kind, [.. parts]);
    }

    private bool IsSeparator() => Next.Is(",") || Next.Is(";")
        || (Next.Kind == MathTokenKind.Word && MathWords.Separators.Contains(Next.Text));

    private Expression Relation()
    {
        if (Next.Is("≈") || (Next.Kind == MathTokenKind.Word && MathWords.Hedges.Contains(Next.Text)))
            _at++;
        var left = Union();
        if (!Relations.Any(Next.Is))
            return left;
        var parts = new List<Expression>();
        while (Relations.FirstOrDefault(Next.Is) is { } relation)
        {
            _at++;
            var right = Union();
            parts.Add(new Several(relation, left, right));
            left = right;
        }
        return parts.Count == 1 ? parts[0] : new Several("()", [.. parts]);
    }

    private Expression Union()
    {
        var parts = new List<Expression> { Quantity() };
        while (Next.Is("∪"))
        {
            _at++;
            parts.Add(Quantity());
        }
        return parts.Count == 1 ? parts[0] : new Several("∪", [.. parts]);
    }

    private Expression Quantity()
    {
        var unit = "";
        var negative = Next.Is("-") && _tokens[_at + 1].Text.StartsWith("currency", StringComparison.Ordinal);
        if (negative)
            _at++;
        if (Next.Text.StartsWith("currency ", StringComparison.Ordinal))
            unit = _tokens[_at++].Text["currency ".Length..];
        var value = Sum();
        if (negative)
            value = new Operation("neg", value);
        if (Next.Kind == MathTokenKind.Word && MathWords.PowerOfTen(Next.Text) is { } zeros)
        {
            _at++;
            value = new Operation("*", value, new Number(Rational.Of(BigInteger.Pow(10, zeros))));
        }
        unit += Unit();
        return unit.Length == 0 ? value : new Quantity(value, unit);
    }

    /// <summary>The words after a value, each with its exponent.</summary>
    private string Unit()
    {
        var unit = "";
        while (true)
        {
            var caret = Next.Is("^");
            if (caret && (_tokens[_at + 1].Is("°") || (_tokens[_at + 1].Is("{") && _tokens[_at + 2].Is("°"))))
            {
                var braced = _tokens[_at + 1].Is("{");
                _at += braced ? 4 : 2;
                unit += "°";
            }
            else if (Next.Is("%") || Next.Is("°"))
            {
                unit += _tokens[_at++].Text;
            }
            else if (Next.Kind == MathTokenKind.Word && !MathWords.Separators.Contains(Next.Text))
            {
                unit += Squared(MathWords.Unit(_tokens[_at++].Text));
            }
            else if (unit.Length > 0 && Next.Is("/") && _tokens[_at + 1].Kind is MathTokenKind.Word or MathTokenKind.Name)
            {
                unit += "per" + MathWords.Unit(_tokens[_at + 1].Text);
                _at += 2;
            }
            else
            {
                return unit;
            }
        }
    }

    private string Squared(string unit)
    {
        if (!Next.Is("^"))
            return unit;
        var braced = _tokens[_at + 1].Is("{");
        var exponent = _tokens[_at + (braced ? 2 : 1)];
        if (exponent.Kind != MathTokenKind.Number)
            throw Wrong();
        _at += braced ? 4 : 2;
        return exponent.Text == "2" ? "sq" + unit : unit + exponent.Text;
    }

    private void Expect(string sign)
    {
        if (!Next.Is(sign))
            throw Wrong();
        _at++;
    }

    private void Enter()
    {
        if (++_depth > MaxDepth)
            throw Wrong();
    }

    private static FormatException Wrong() => new();
}
