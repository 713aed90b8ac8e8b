using System.Globalization;
using System.Numerics;

namespace Rollout.Actors.Rewards.Answers;

/// <summary>An exact fraction in lowest terms. Operations whose result would be too long give null.</summary>
internal readonly record struct Rational
{
    /// <summary>The most bits of numerator and denominator: enough for 3000!.</summary>
    private const int LongestBits = 40_000;

    private Rational(BigInteger numerator, BigInteger denominator) =>
        (Numerator, Denominator) = (numerator, denominator);

    public BigInteger Numerator { get; }

    /// <summary>Above 0.</summary>
    public BigInteger Denominator { get; }

    public bool IsInteger => Denominator.IsOne;

    public static Rational Of(BigInteger integer) => new(integer, 1);

    /// <summary>The fraction; null if the denominator is 0 or a part is too long.</summary>
    public static Rational? Of(BigInteger numerator, BigInteger denominator)
    {
        if (denominator.IsZero)
            return null;
        var divisor = BigInteger.GreatestCommonDivisor(numerator, denominator) * denominator.Sign;
        var (top, bottom) = (numerator / divisor, denominator / divisor);
        return top.GetBitLength() > LongestBits || bottom.GetBitLength() > LongestBits ? null : new(top, bottom);
    }

    /// <summary>The value of decimal digits with an optional point and exponent.</summary>
    public static Rational? Parse(string digits)
    {
        var mantissa = digits.Split('e', 'E');
        var parts = mantissa[0].Split('.');
        var places = parts.Length > 1 ? parts[1].Length : 0;
        if (!BigInteger.TryParse(string.Concat(parts), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return null;
        var exponent = 0;
        if (mantissa.Length > 1 && !int.TryParse(mantissa[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent))
            return null;
        exponent -= places;
        if (Math.Abs(exponent) > 10_000)
            return null;
        var scale = BigInteger.Pow(10, Math.Abs(exponent));
        return exponent < 0 ? Of(number, scale) : Of(number * scale, 1);
    }

    public static Rational? Add(Rational a, Rational b) =>
        Of((a.Numerator * b.Denominator) + (b.Numerator * a.Denominator), a.Denominator * b.Denominator);

    public static Rational? Multiply(Rational a, Rational b) =>
        Of(a.Numerator * b.Numerator, a.Denominator * b.Denominator);

    public static Rational? Divide(Rational a, Rational b) =>
        Of(a.Numerator * b.Denominator, a.Denominator * b.Numerator);

    public static Rational? Negate(Rational a) => Of(-a.Numerator, a.Denominator);

    public static Rational? Abs(Rational a) => Of(BigInteger.Abs(a.Numerator), a.Denominator);

    /// <summary>a to the power b, where that is a fraction and not too long.</summary>
    public static Rational? Power(Rational a, Rational b)
    {
        if (b.Denominator > 64 || BigInteger.Abs(b.Numerator) > LongestBits)
            return null;
        if (Root(a, (int)b.Denominator) is not { } root)
            return null;
        var exponent = (int)BigInteger.Abs(b.Numerator);
        var bits = Math.Max(root.Numerator.GetBitLength(), root.Denominator.GetBitLength());
        if ((bits - 1) * exponent > LongestBits)
            return null;
        var (top, bottom) = (BigInteger.Pow(root.Numerator, exponent), BigInteger.Pow(root.Denominator, exponent));
        return b.Numerator.Sign < 0 ? Of(bottom, top) : Of(top, bottom);
    }

    /// <summary>n!, for whole n from 0 to 3000.</summary>
    public static Rational? Factorial(Rational n)
    {
        if (!n.IsInteger || n.Numerator.Sign < 0 || n.Numerator > 3000)
            return null;
        var product = BigInteger.One;
        for (var i = 2; i <= (int)n.Numerator; i++)
            product *= i;
        return Of(product);
    }

    public double ToDouble() => (double)Numerator / (double)Denominator is var quotient && double.IsFinite(quotient)
        ? quotient
        : Math.Exp(BigInteger.Log(BigInteger.Abs(Numerator)) - BigInteger.Log(Denominator)) * Numerator.Sign;

    private static Rational? Root(Rational a, int degree)
    {
        if (degree == 1)
            return a;
        if (a.Numerator.Sign < 0 || Root(a.Numerator, degree) is not { } top || Root(a.Denominator, degree) is not { } bottom)
            return null;
        return Of(top, bottom);
    }

    /// <summary>The whole root by bisection; null where there is none.</summary>
    private static BigInteger? Root(BigInteger number, int degree)
    {
        if (number.GetBitLength() > 2_000)
            return null;
        var (low, high) = (BigInteger.Zero, BigInteger.One << (int)((number.GetBitLength() / degree) + 1));
        while (low < high)
        {
            var middle = (low + high + 1) >> 1;
            if (BigInteger.Pow(middle, degree) <= number)
                low = middle;
            else
                high = middle - 1;
        }
        return BigInteger.Pow(low, degree) == number ? low : null;
    }
}
