using FsCheck.Fluent;
using Rollout.Actors.Data;
using Xunit;

namespace Rollout.Actors.Tests.Data;

public sealed class WeightedTurnsTests
{
    [Fact]
    public void Every_part_has_its_share_of_any_number_of_turns() =>
        Prop.ForAll(
            Gen.Choose(1, 1000).NonEmptyListOf().ToArbitrary(), Gen.Choose(0, 1 << 20).ToArbitrary(), (weights, seed) =>
            {
                var turns = new WeightedTurns([.. weights.Select(weight => (double)weight)], (ulong)seed);
                var taken = new long[weights.Count];
                for (var turn = 0; turn < 500; turn++)
                {
                    if (Enumerable.Range(0, taken.Length).Any(part => turns.Before(part, turn) != taken[part]))
                        return false;
                    var (mine, before) = turns.At(turn);
                    if (before != taken[mine]++)
                        return false;
                }
                return Enumerable.Range(0, taken.Length)
                    .All(part => Math.Abs(taken[part] - (500.0 * weights[part] / weights.Sum())) < weights.Count);
            }).Holds(runs: 50, size: 8);

    [Fact]
    public void Shares_stay_exact_at_a_cursor_that_no_run_reaches()
    {
        var turns = new WeightedTurns([2, 1, 1], seed: 5);
        const long Far = 1L << 60;
        Assert.Equal(Far / 2, turns.Before(0, Far));
        Assert.Equal(Far, Enumerable.Range(0, 3).Sum(part => turns.Before(part, Far)));
        Assert.Equal(0, turns.Before(0, 0));
    }

    [Fact]
    public void Equal_weights_alternate()
    {
        var turns = new WeightedTurns([1, 1], seed: 1);
        Assert.All(Enumerable.Range(0, 100), turn => Assert.NotEqual(turns.At(turn).Part, turns.At(turn + 1).Part));
    }
}
