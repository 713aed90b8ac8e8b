namespace Rollout.Actors.Data;

/// <summary>
/// Writes down a search for the solution of a problem, as in "Stream of Search" (Gandhi et al., arXiv:2404.03683): tries
/// that fail, a line each, then the one that succeeds and the answer. A try moves at random until two numbers are left. Its
/// last move is the one that comes nearest to the target. No two tries come to the same two numbers. A search that gives up
/// fails in its last try, too, and answers what that one came to.
/// <code>
/// 5+2=7 8*7=56 56-3=53
/// 8-3=5 5+2=7 7*5=35
/// &lt;answer>((8-3)+2)*5&lt;/answer>
/// </code>
/// </summary>
internal static class CountdownTrace
{
    /// <param name="numbers">The given numbers, at least 2.</param>
    /// <param name="target">A number that moves can make of them.</param>
    /// <param name="tries">Tries, the successful one included; fewer where the numbers have fewer that fail.</param>
    /// <param name="givesUp">Whether no try succeeds, where the numbers have one that fails.</param>
    /// <param name="key">Decides the tries.</param>
    public static string Write(IReadOnlyList<int> numbers, int target, int tries, bool givesUp, ulong key)
    {
        var ends = Ends([], CountdownGame.Start(numbers))
            .Select((end, index) => (end, Turn: SplitMix64.Mix(key, (ulong)index)))
            .OrderBy(drawn => drawn.Turn)
            .Select(drawn => drawn.end)
            .DistinctBy(end => (Math.Min(end.First.Value, end.Second.Value), Math.Max(end.First.Value, end.Second.Value)))
            .Select(end => (end.Before, Last: Nearest(end.First, end.Second, target)))
            .ToLookup(attempt => attempt.Last.Result == target);
        var failures = ends[false].Take(givesUp ? tries : tries - 1);
        var attempts = givesUp && ends[false].Any() ? [.. failures] : failures.Append(ends[true].First()).ToArray();
        var lines = attempts
            .Select(attempt => string.Join(' ', attempt.Before.Append(attempt.Last).Select(move => move.Written)) + '\n');
        return $"{string.Concat(lines)}<answer>{attempts[^1].Last.Expression}</answer>";
    }

    /// <summary>All ways to two last numbers.</summary>
    private static IEnumerable<(CountdownMove[] Before, CountdownTerm First, CountdownTerm Second)> Ends(
        CountdownMove[] before, CountdownTerm[] left) => left is [var first, var second]
        ? [(before, first, second)]
        : CountdownGame.Moves(left).SelectMany(move => Ends([.. before, move], CountdownGame.After(left, move)));

    private static CountdownMove Nearest(CountdownTerm a, CountdownTerm b, int target) =>
        CountdownGame.Moves(a, b).MinBy(move => Math.Abs(move.Result - target));
}
