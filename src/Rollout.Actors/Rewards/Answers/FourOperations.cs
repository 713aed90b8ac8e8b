using System.Globalization;
using System.Numerics;

namespace Rollout.Actors.Rewards.Answers;

/// <summary>
/// Evaluates expressions of whole numbers, + - * / and parentheses exactly, as fractions. Signs, decimals, other symbols
/// (× ÷ −), and texts of more than 256 characters are no expressions.
/// </summary>
/// <remarks>sum = product {(+|-) product}; product = atom {(*|/) atom}; atom = digits | (sum)</remarks>
internal ref struct FourOperations
{
    /// <summary>Bounds the size of numbers and the depth of parentheses.</summary>
    private const int LongestText = 256;

    private readonly ReadOnlySpan<char> _text;
    private readonly List<BigInteger> _numbers = [];
    private int _at;

    private FourOperations(ReadOnlySpan<char> text) => _text = text;

    /// <summary>The value and the numbers in the text's order; null if it is no expression or divides by 0.</summary>
    public static (Rational Value, IReadOnlyList<BigInteger> Numbers)? Evaluate(ReadOnlySpan<char> text)
    {
        if (text.Length > LongestText)
            return null;
        var parser = new FourOperations(text);
        return parser.Sum() is { } value && parser.Next() == '\0' && parser._at == text.Length
            ? (value, parser._numbers)
            : null;
    }

    private Rational? Sum()
    {
        var value = Product();
        while (value is { } left && Next() is '+' or '-')
        {
            var minus = _text[_at++] == '-';
            value = Product() is not { } right ? null
                : Rational.Add(left, minus ? Rational.Of(-right.Numerator, right.Denominator)!.Value : right);
        }
        return value;
    }

    private Rational? Product()
    {
        var value = Atom();
        while (value is { } left && Next() is '*' or '/')
        {
            var divides = _text[_at++] == '/';
            value = Atom() is not { } right ? null
                : divides ? Rational.Divide(left, right)
                : Rational.Multiply(left, right);
        }
        return value;
    }

    private Rational? Atom()
    {
        if (Next() == '(')
        {
            _at++;
            var inner = Sum();
            if (Next() != ')')
                return null;
            _at++;
            return inner;
        }
        var rest = _text[_at..];
        var length = rest.IndexOfAnyExceptInRange('0', '9') is >= 0 and var end ? end : rest.Length;
        if (length == 0)
            return null;
        _at += length;
        var number = BigInteger.Parse(rest[..length], NumberStyles.None, CultureInfo.InvariantCulture);
        _numbers.Add(number);
        return Rational.Of(number);
    }

    /// <summary>The next character that is not white space; '\0' at the end.</summary>
    private char Next()
    {
        while (_at < _text.Length && _text[_at] is ' ' or '\t' or '\n' or '\r')
            _at++;
        return _at < _text.Length ? _text[_at] : '\0';
    }
}
