namespace Rollout.Actors.Rewards.Answers;

/// <summary>A parsed answer.</summary>
internal abstract record Expression
{
    /// <summary>A number as written.</summary>
    /// <param name="Value">Its exact value.</param>
    /// <param name="Places">Digits after the decimal point; 0 without one.</param>
    /// <param name="Digits">Significant digits.</param>
    public sealed record Number(Rational Value, int Places = 0, int Digits = 0) : Expression;

    /// <summary>A variable, a constant or a word.</summary>
    public sealed record Symbol(string Name) : Expression;

    /// <summary>An operation: + * / ^ neg ± ! or a function's name.</summary>
    public sealed record Operation(string Name, params Expression[] Parts) : Expression;

    /// <summary>Several parts: "()", "[]", "(]", "[)" in order; "{}", "," and "∪" in any order; "=" and other relations; ":".</summary>
    public sealed record Several(string Kind, params Expression[] Parts) : Expression;

    /// <summary>A value with its unit.</summary>
    public sealed record Quantity(Expression Value, string Unit) : Expression;

    /// <summary>The exact value; null where it is no fraction, has variables, or is too long.</summary>
    public Rational? Exact() => this switch
    {
        Number number => number.Value,
        Operation { Parts: [var only] } operation when only.Exact() is { } a => operation.Name switch
        {
            "neg" => Rational.Negate(a),
            "!" => Rational.Factorial(a),
            "abs" => Rational.Abs(a),
            _ => null,
        },
        Operation { Parts: [var left, var right] } operation when left.Exact() is { } a && right.Exact() is { } b =>
            operation.Name switch
            {
                "+" => Rational.Add(a, b),
                "*" => Rational.Multiply(a, b),
                "/" => Rational.Divide(a, b),
                "^" => Rational.Power(a, b),
                "binom" => Binomial(a, b),
                _ => null,
            },
        _ => null,
    };

    /// <summary>The names of its variables and constants.</summary>
    public IEnumerable<string> Symbols() => this switch
    {
        Symbol symbol => [symbol.Name],
        Operation { Parts: var parts } => parts.SelectMany(part => part.Symbols()),
        Several { Parts: var parts } => parts.SelectMany(part => part.Symbols()),
        Quantity quantity => quantity.Value.Symbols(),
        _ => [],
    };

    /// <summary>The same with each ± as + or as −; null without a ±.</summary>
    public (Expression Plus, Expression Minus)? Branches() =>
        HasBranches(this) ? (Branch(this, minus: false), Branch(this, minus: true)) : null;

    private static Rational? Binomial(Rational n, Rational k) =>
        Rational.Factorial(n) is { } all && Rational.Factorial(k) is { } some
        && Rational.Add(n, Rational.Of(-k.Numerator)) is { } left && Rational.Factorial(left) is { } rest
        && Rational.Multiply(some, rest) is { } ways
            ? Rational.Divide(all, ways)
            : null;

    private static bool HasBranches(Expression expression) => expression is Operation operation
        && (operation.Name == "±" || operation.Parts.Any(HasBranches));

    private static Expression Branch(Expression expression, bool minus) => expression switch
    {
        Operation { Name: "±", Parts: [var only] } =>
            minus ? new Operation("neg", Branch(only, minus)) : Branch(only, minus),
        Operation { Name: "±", Parts: [var left, var right] } => new Operation(
            "+", Branch(left, minus), minus ? new Operation("neg", Branch(right, minus)) : Branch(right, minus)),
        Operation operation => new Operation(operation.Name, [.. operation.Parts.Select(part => Branch(part, minus))]),
        _ => expression,
    };
}
