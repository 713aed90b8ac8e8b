using System.Numerics;
using static Rollout.Actors.Rewards.Answers.Expression;

namespace Rollout.Actors.Rewards.Answers;

/// <content>Numbers, and texts that are taken as they are.</content>
internal sealed partial class MathParser
{
    private Expression NumberFrom(string digits)
    {
        var number = Literal(digits);
        if (digits.Contains('.') && Next.IsName("overline") is var over && (over || Next.IsName("bar")))
        {
            _at++;
            return Repeating(digits, Raw());
        }
        if (digits.Contains('.') && Next.IsName("dots"))
            _at++;
        if (number.Places > 0 || !number.Value.IsInteger)
            return number;
        // A mixed number: 2\frac{1}{2}, or 2 1/2 with a space.
        if (Next.IsName("frac") && IsPlainFraction())
            return new Operation("+", number, MathPrimary());
        if (Next is { Kind: MathTokenKind.Number, AfterSpace: true } && _tokens[_at + 1].Is("/")
            && _tokens[_at + 2].Kind == MathTokenKind.Number)
        {
            var fraction = new Operation("/", Literal(Next.Text), Literal(_tokens[_at + 2].Text));
            _at += 3;
            return new Operation("+", number, fraction);
        }
        return number;
    }

    private bool IsPlainFraction() =>
        (_tokens[_at + 1].Is("{") && _tokens[_at + 2].Kind == MathTokenKind.Number && _tokens[_at + 3].Is("}")
            && _tokens[_at + 4].Is("{") && _tokens[_at + 5].Kind == MathTokenKind.Number && _tokens[_at + 6].Is("}"))
        || (_tokens[_at + 1] is { Kind: MathTokenKind.Number, Text.Length: 2 });

    /// <summary>The text of a group or of one token.</summary>
    private string Raw()
    {
        if (!Next.Is("{"))
            return Next.Kind is MathTokenKind.Number or MathTokenKind.Name or MathTokenKind.Word ? _tokens[_at++].Text : throw Wrong();
        _at++;
        var text = "";
        while (!Next.Is("}"))
        {
            if (Next.Kind == MathTokenKind.End)
                throw Wrong();
            text += _tokens[_at++].Text;
        }
        _at++;
        return text;
    }

    private static Number Literal(string digits)
    {
        var value = Rational.Parse(digits) ?? throw Wrong();
        var mantissa = digits.Split('e', 'E')[0];
        var point = mantissa.IndexOf('.');
        var places = point < 0 ? 0 : mantissa.Length - point - 1;
        var significant = mantissa.Replace(".", "", StringComparison.Ordinal).TrimStart('0').Length;
        return new Number(value, digits.Length == mantissa.Length ? places : 0, significant);
    }

    /// <summary>0.1 with the digits 6 repeated is 0.1 + 0.6 / 9 / 10.</summary>
    private static Number Repeating(string digits, string repeated)
    {
        var places = digits.Length - digits.IndexOf('.') - 1;
        if (!repeated.All(char.IsAsciiDigit) || repeated.Length is 0 or > 100
            || Rational.Parse(digits) is not { } start || Rational.Parse(repeated) is not { } period)
            throw Wrong();
        var nines = (BigInteger.Pow(10, repeated.Length) - 1) * BigInteger.Pow(10, places);
        return new Number(Rational.Divide(period, Rational.Of(nines)) is { } rest && Rational.Add(start, rest) is { } sum
            ? sum
            : throw Wrong());
    }
}
