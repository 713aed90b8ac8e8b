namespace Rollout.Actors.Data;

/// <summary>A number of the game.</summary>
/// <param name="value">Above 0.</param>
/// <param name="made">The move that made it; null for a given number.</param>
internal sealed class CountdownTerm(int value, CountdownMove? made = null)
{
    public int Value => value;

    /// <summary>The number in terms of the given ones; a result is in parentheses.</summary>
    public string Expression => made is { } move ? $"({move.Expression})" : $"{value}";
}

/// <summary>Two numbers become one.</summary>
internal readonly record struct CountdownMove(CountdownTerm First, char Operation, CountdownTerm Second, int Result)
{
    /// <summary>"8-3=5".</summary>
    public string Written => $"{First.Value}{Operation}{Second.Value}={Result}";

    /// <summary>The move in terms of the given numbers, without parentheses around it.</summary>
    public string Expression => $"{First.Expression}{Operation}{Second.Expression}";
}

/// <summary>
/// The numbers game as a search plays it. A move puts the larger number first and makes a whole number from 1 to 999. A
/// division by 1 is left out: a product with 1 is the same.
/// </summary>
internal static class CountdownGame
{
    private const int LargestResult = 999;

    public static CountdownTerm[] Start(IEnumerable<int> numbers) =>
        [.. numbers.Select(number => new CountdownTerm(number))];

    /// <summary>The moves of each two of the numbers that are left, in a fixed order; there is at least one.</summary>
    public static IEnumerable<CountdownMove> Moves(IReadOnlyList<CountdownTerm> left)
    {
        for (var i = 0; i < left.Count; i++)
        {
            for (var j = i + 1; j < left.Count; j++)
            {
                foreach (var move in Moves(left[i], left[j]))
                    yield return move;
            }
        }
    }

    /// <summary>The moves of two numbers.</summary>
    public static IEnumerable<CountdownMove> Moves(CountdownTerm a, CountdownTerm b)
    {
        if (a.Value < b.Value)
            (a, b) = (b, a);
        if (a.Value + b.Value <= LargestResult)
            yield return new CountdownMove(a, '+', b, a.Value + b.Value);
        if (a.Value > b.Value)
            yield return new CountdownMove(a, '-', b, a.Value - b.Value);
        if (a.Value * b.Value <= LargestResult)
            yield return new CountdownMove(a, '*', b, a.Value * b.Value);
        if (b.Value > 1 && a.Value % b.Value == 0)
            yield return new CountdownMove(a, '/', b, a.Value / b.Value);
    }

    /// <summary>The numbers that are left after a move.</summary>
    public static CountdownTerm[] After(IEnumerable<CountdownTerm> left, CountdownMove move) =>
    [
        .. left.Where(term => !ReferenceEquals(term, move.First) && !ReferenceEquals(term, move.Second)),
        new CountdownTerm(move.Result, move),
    ];
}
