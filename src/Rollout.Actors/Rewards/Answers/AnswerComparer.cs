using static Rollout.Actors.Rewards.Answers.Expression;

namespace Rollout.Actors.Rewards.Answers;

/// <summary>
/// Decides whether two answers are the same: fractions exactly, roots and functions in floating point, expressions with
/// variables at several points, tuples in order, sets and lists in any order. A decimal of at least four significant
/// digits also stands for each number that rounds to it or is cut off to it.
/// </summary>
internal sealed class AnswerComparer
{
    private const int Points = 5;
    private const int MostParts = 60;

    /// <summary>Comparisons that are left: nested sets would need very many.</summary>
    private int _left = 20_000;

    private AnswerComparer()
    {
    }

    /// <summary>The two answers are the same.</summary>
    public static bool Same(Expression a, Expression b) => new AnswerComparer().Equal(a, b);

    private bool Equal(Expression a, Expression b) => --_left > 0 && (a, b) switch
    {
        (Quantity or Number or Symbol or Operation, Quantity or Number or Symbol or Operation) => SameQuantities(a, b),
        _ when IsAssignment(a, out var name, out var value) && IsAssignment(b, out var other, out var otherValue) =>
            name == other ? Equal(value, otherValue) : SameEquations(a, b),
        _ when IsAssignment(a, out _, out var value) && !IsRelation(b) => Equal(value, b),
        _ when IsAssignment(b, out _, out var value) && !IsRelation(a) => Equal(a, value),
        (Several { Kind: "=" }, Several { Kind: "=" }) => SameEquations(a, b),
        (Several { Kind: "<" or ">" or "≤" or "≥" or "≠" or "∈" or "→" or ":" } x, Several y) => SameRelations(x, y),
        (Several x, Several y) => SameParts(x, y),
        (Several { Kind: "{}" or ",", Parts: [var only] }, _) => Equal(only, b),
        (_, Several { Kind: "{}" or ",", Parts: [var only] }) => Equal(a, only),
        (Several list, _) when b.Branches() is var (plus, minus) => SameParts(list, new Several(",", plus, minus)),
        (_, Several list) when a.Branches() is var (plus, minus) => SameParts(new Several(",", plus, minus), list),
        _ => false,
    };

    private static bool SameQuantities(Expression a, Expression b)
    {
        var (first, second) = (AsQuantity(a), AsQuantity(b));
        if (first.Unit == second.Unit)
            return SameScalars(first.Value, second.Value);
        if (first.Unit == "%" && second.Unit.Length == 0)
            return SameScalars(first.Value, second.Value) || SameScalars(Hundredth(first.Value), second.Value);
        if (second.Unit == "%" && first.Unit.Length == 0)
            return SameScalars(first.Value, second.Value) || SameScalars(first.Value, Hundredth(second.Value));
        return (first.Unit.Length == 0 || second.Unit.Length == 0) && SameScalars(first.Value, second.Value);
    }

    private static Quantity AsQuantity(Expression expression) => expression switch
    {
        Quantity { Value: Quantity inner } outer => inner with { Unit = inner.Unit + outer.Unit },
        Quantity quantity => quantity,
        Operation { Name: "neg", Parts: [Quantity negated] } => new(new Operation("neg", negated.Value), negated.Unit),
        _ => new Quantity(expression, ""),
    };

    private static Operation Hundredth(Expression value) => new("/", value, new Number(Rational.Of(100)));

    private static bool SameScalars(Expression a, Expression b)
    {
        if (a.Branches() is var (plus, minus))
        {
            return b.Branches() is var (otherPlus, otherMinus)
                && ((SameScalars(plus, otherPlus) && SameScalars(minus, otherMinus))
                    || (SameScalars(plus, otherMinus) && SameScalars(minus, otherPlus)));
        }
        if (b.Branches() is not null)
            return false;
        if (a.Exact() is { } x && b.Exact() is { } y)
            return x == y || Rounds(a, y.ToDouble()) || Rounds(b, x.ToDouble());
        var hasVariables = a.Symbols().Concat(b.Symbols()).Any(name => name is not ("pi" or "e" or "i"));
        var compared = 0;
        for (var point = 0; point < (hasVariables ? Points : 1); point++)
        {
            if (Approximation.Of(a, point) is not { } left || Approximation.Of(b, point) is not { } right)
                return false;
            if (!left.IsFinite || !right.IsFinite)
                continue;
            compared++;
            if (!Approximation.Same(left, right))
                return !hasVariables && left.Value.Imaginary == 0 && right.Value.Imaginary == 0
                    && (Rounds(a, right.Value.Real) || Rounds(b, left.Value.Real));
        }
        return compared > 0;
    }

    /// <summary>A number written as a decimal of at least four significant digits stands for the value.</summary>
    private static bool Rounds(Expression written, double value)
    {
        if (written is Operation { Name: "neg", Parts: [var positive] })
            return Rounds(positive, -value);
        if (written is not Number { Places: > 0 and < 15, Digits: >= 4 } number)
            return false;
        var unit = Math.Pow(10, -number.Places);
        var difference = value - number.Value.ToDouble();
        return Math.Abs(difference) < unit * 0.5000001 || (difference >= 0 && difference < unit * 0.9999999);
    }

    private bool SameParts(Several a, Several b)
    {
        if (a.Parts.Length > MostParts || b.Parts.Length > MostParts)
            return false;
        var (first, second) = (Flat(a), Flat(b));
        if (IsUnordered(first) && IsUnordered(second))
            return SameSets(Distinct(first), Distinct(second));
        var kinds = first.Kind == second.Kind || (first.Kind, second.Kind) is (",", "()") or ("()", ",");
        return kinds && SameInOrder(first, second);
    }

    private bool SameInOrder(Several a, Several b) =>
        a.Parts.Length == b.Parts.Length && a.Parts.Zip(b.Parts).All(pair => Equal(pair.First, pair.Second));

    private static bool IsUnordered(Several several) => several.Kind is "{}" or "," or "∪";

    /// <summary>A list whose parts with a ± stand for two.</summary>
    private static Several Flat(Several several) => several.Kind is "{}" or ","
        ? several with
        {
            Parts = [.. several.Parts.SelectMany(part => part.Branches() is var (plus, minus) ? [plus, minus] : new[] { part })],
        }
        : several;

    private List<Expression> Distinct(Several several)
    {
        var distinct = new List<Expression>();
        foreach (var part in several.Parts)
        {
            if (several.Kind == "," || !distinct.Exists(other => Equal(part, other)))
                distinct.Add(part);
        }
        return distinct;
    }

    private bool SameSets(List<Expression> a, List<Expression> b)
    {
        if (a.Count != b.Count)
            return false;
        var rest = new List<Expression>(b);
        foreach (var part in a)
        {
            var found = rest.FindIndex(other => Equal(part, other));
            if (found < 0)
                return false;
            rest.RemoveAt(found);
        }
        return true;
    }

    private static bool IsRelation(Expression expression) =>
        expression is Several { Kind: "=" or "<" or ">" or "≤" or "≥" or "≠" or ":" or "→" };

    /// <summary>x = 5, x ∈ (0, 1) and f(x) = x^2: what stands on the left is a name.</summary>
    private static bool IsAssignment(Expression expression, out Expression name, out Expression value)
    {
        (name, value) = (expression, expression);
        if (expression is not Several { Kind: "=" or "∈" or "≈", Parts: [var left, var right] })
            return false;
        (name, value) = (left, right);
        return left is Symbol or Operation { Name: "*", Parts: [Symbol, Symbol] } or Quantity { Value: Symbol };
    }

    private bool SameRelations(Several a, Several b)
    {
        var (first, second) = (Normal(a), Normal(b));
        return first.Kind == second.Kind && SameInOrder(first, second);
    }

    /// <summary>x &gt; 3 and 3 &lt; x are one relation.</summary>
    private static Several Normal(Several relation) => relation is { Kind: ">" or "≥", Parts: [var left, var right] }
        ? new Several(relation.Kind == ">" ? "<" : "≤", right, left)
        : relation;

    /// <summary>Two equations are the same if the differences of their sides have one ratio at all points.</summary>
    private static bool SameEquations(Expression a, Expression b)
    {
        if (Difference(a) is not { } first || Difference(b) is not { } second)
            return false;
        System.Numerics.Complex? ratio = null;
        for (var point = 0; point < Points; point++)
        {
            if (Approximation.Of(first, point) is not { IsFinite: true } left
                || Approximation.Of(second, point) is not { IsFinite: true } right
                || System.Numerics.Complex.Abs(right.Value) < 1e-9 || System.Numerics.Complex.Abs(left.Value) < 1e-9)
                return false;
            var here = left.Value / right.Value;
            if (ratio is { } before && System.Numerics.Complex.Abs(here - before) > 1e-8 * System.Numerics.Complex.Abs(before))
                return false;
            ratio = here;
        }
        return ratio is not null && first.Symbols().Any();
    }

    private static Operation? Difference(Expression equation) =>
        equation is Several { Kind: "=", Parts: [var left, var right] } && left is not Several && right is not Several
            ? new Operation("+", left, new Operation("neg", right))
            : null;
}
