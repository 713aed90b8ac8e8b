using Rollout.Actors.Decoding;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

public sealed class RestartBudgetTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(10);

    [Fact]
    public void Failures_in_a_row_are_answered_with_longer_pauses_and_then_with_an_end()
    {
        var budget = new RestartBudget(maxRestarts: 3, Window, pause: Second);

        Assert.Equal(Second, budget.PauseAfterFailure(Second));
        Assert.Equal(2 * Second, budget.PauseAfterFailure(3 * Second));
        Assert.Equal(4 * Second, budget.PauseAfterFailure(6 * Second));
        Assert.Null(budget.PauseAfterFailure(11 * Second));
    }

    [Fact]
    public void Passing_faults_far_apart_never_spend_it()
    {
        var budget = new RestartBudget(maxRestarts: 3, Window, pause: Second);

        for (var day = 0; day < 100; day++)
            Assert.Equal(Second, budget.PauseAfterFailure(TimeSpan.FromDays(day)));
    }

    [Fact]
    public void A_failure_counts_until_its_window_is_over()
    {
        var budget = new RestartBudget(maxRestarts: 1, Window, pause: Second);
        budget.PauseAfterFailure(TimeSpan.Zero);

        Assert.Null(budget.PauseAfterFailure(Window - Second));
        Assert.Null(budget.PauseAfterFailure(Window + Second));
        Assert.NotNull(budget.PauseAfterFailure(3 * Window));
    }

    [Fact]
    public void No_pause_is_longer_than_a_minute()
    {
        var budget = new RestartBudget(maxRestarts: 100, Window, pause: Second);

        Assert.Equal(60 * Second, Enumerable.Range(0, 100).Max(i => budget.PauseAfterFailure(i * Second)));
    }
}
