using System.Numerics;

namespace Rollout.Actors.Rewards.Answers;

/// <summary>
/// The value of an expression in floating point, with a bound on its rounding error. Variables have fixed values that
/// look random: two expressions that agree at several such points are the same but by an unlikely chance (Schwartz and
/// Zippel).
/// </summary>
/// <param name="Value">The value.</param>
/// <param name="Error">About the largest error of rounding.</param>
internal readonly record struct Approximation(Complex Value, double Error)
{
    private const double Epsilon = 1e-15;

    public bool IsFinite => double.IsFinite(Value.Real) && double.IsFinite(Value.Imaginary) && double.IsFinite(Error);

    /// <summary>The two are equal, as far as rounding can tell.</summary>
    public static bool Same(Approximation a, Approximation b) =>
        Complex.Abs(a.Value - b.Value)
        <= Math.Max(1e-9 * Math.Max(Complex.Abs(a.Value), Complex.Abs(b.Value)), 100 * (a.Error + b.Error));

    /// <summary>Evaluates an expression.</summary>
    /// <param name="expression">A scalar.</param>
    /// <param name="point">Which values the variables have.</param>
    /// <returns>Null for what is no scalar or has an unknown function.</returns>
    public static Approximation? Of(Expression expression, int point)
    {
        switch (expression)
        {
            case Expression.Number number:
                return Exactly(number.Value.ToDouble());
            case Expression.Symbol symbol:
                return Exactly(ValueOf(symbol.Name, point));
            case Expression.Operation operation:
                var parts = new Approximation[operation.Parts.Length];
                for (var i = 0; i < parts.Length; i++)
                {
                    if (Of(operation.Parts[i], point) is not { } part)
                        return null;
                    parts[i] = part;
                }
                return Apply(operation.Name, parts);
            default:
                return null;
        }
    }

    private static Approximation? Apply(string name, Approximation[] parts) => (name, parts) switch
    {
        ("+", [var a, var b]) => new(
            a.Value + b.Value, a.Error + b.Error + (Epsilon * (Complex.Abs(a.Value) + Complex.Abs(b.Value)))),
        // Not −a: its imaginary part would be −0, on the other side of the branch cut of a root.
        ("neg", [var a]) => new(Complex.Zero - a.Value, a.Error),
        ("*", [var a, var b]) => Through((x, y) => x * y, a, b),
        ("/", [var a, var b]) => Through((x, y) => x / y, a, b),
        ("^", [var a, var b]) => Through(Complex.Pow, a, b),
        ("log", [var a, var b]) => Through((x, y) => Complex.Log(y) / Complex.Log(x), a, b),
        ("binom" or "!", _) => null,
        (_, [var a]) when Function(name) is { } function => Through((x, _) => function(x), a, Exactly(0)),
        _ => null,
    };

    private static Func<Complex, Complex>? Function(string name) => name switch
    {
        "abs" => x => Complex.Abs(x),
        "sin" => Complex.Sin,
        "cos" => Complex.Cos,
        "tan" => Complex.Tan,
        "cot" => x => 1 / Complex.Tan(x),
        "sec" => x => 1 / Complex.Cos(x),
        "csc" => x => 1 / Complex.Sin(x),
        "arcsin" => Complex.Asin,
        "arccos" => Complex.Acos,
        "arctan" => Complex.Atan,
        "sinh" => Complex.Sinh,
        "cosh" => Complex.Cosh,
        "tanh" => Complex.Tanh,
        "ln" or "log" => Complex.Log,
        "exp" => Complex.Exp,
        _ => null,
    };

    /// <summary>A function's value; its error from how far it moves when its arguments do.</summary>
    private static Approximation Through(Func<Complex, Complex, Complex> function, Approximation a, Approximation b)
    {
        var value = function(a.Value, b.Value);
        var byFirst = Complex.Abs(function(a.Value + Step(a), b.Value) - value);
        var bySecond = Complex.Abs(function(a.Value, b.Value + Step(b)) - value);
        return new(value, byFirst + bySecond + (Epsilon * Complex.Abs(value)));
    }

    private static double Step(Approximation a) => Math.Max(a.Error, Epsilon * Complex.Abs(a.Value));

    private static Approximation Exactly(Complex value) => new(value, 0);

    private static Complex ValueOf(string name, int point) => name switch
    {
        "pi" => Math.PI,
        "e" => Math.E,
        "i" => Complex.ImaginaryOne,
        _ => Variable(name, point),
    };

    /// <summary>0.3 … 2.3 from a hash of the name; below 0 for some names at odd points.</summary>
    private static double Variable(string name, int point)
    {
        var hash = 14695981039346656037UL ^ (ulong)point;
        foreach (var character in name)
            hash = (hash ^ character) * 1099511628211UL;
        hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9UL;
        var value = 0.3 + (2 * ((hash >> 11) / (double)(1UL << 53)));
        return point % 2 == 1 && (hash & 64) != 0 ? -value : value;
    }
}
