using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;

namespace Rollout.Host.Tests.Tracking;

public sealed class StepHistoryTests
{
    private static readonly Metric Metric = Metrics.Reward;

    [Fact]
    public void A_short_run_is_kept_step_by_step()
    {
        StepMetrics[] steps = [Of(0, 0.25), .. Enumerable.Range(1, StepHistory.Most - 1).Select(step => Of(step, step))];

        Assert.Equal(
            steps.Select(step => (step.Step, step[Metric])),
            new StepHistory(steps).Points.Select(point => (point.Step, point[Metric])));
    }

    [Fact]
    public void A_long_run_becomes_means_of_equally_many_steps_and_keeps_its_start()
    {
        var history = new StepHistory([Of(0, 0.25)]);
        for (var step = 1; step <= 3 * StepHistory.Most; step++)
            history.Add(Of(step, step));

        var points = history.Points;
        Assert.Equal((0, 0.25), (points[0].Step, points[0][Metric]));
        Assert.Equal((4, 2.5), (points[1].Step, points[1][Metric])); // of steps 1 to 4
        Assert.Equal((3000, 2998.5), (points[^1].Step, points[^1][Metric]));
        Assert.Equal(751, points.Count);
    }

    [Fact]
    public void No_run_has_more_points_than_a_panel_can_show_and_none_of_its_steps_is_held()
    {
        var history = new StepHistory([]);

        var seen = AddSteps(history, 20_000);

        Assert.InRange(history.Points.Count, StepHistory.Most / 2, StepHistory.Most);
        GC.Collect();
        Assert.False(seen.IsAlive);
    }

    [Fact]
    public void What_a_step_did_not_measure_or_is_no_number_is_in_no_mean()
    {
        var history = new StepHistory([]);
        for (var step = 1; step <= 2 * StepHistory.Most; step++)
            history.Add(step % 2 == 0 ? Of(step, 8) : step % 4 == 1 ? Of(step, double.NaN) : Of(step, null));

        Assert.All(history.Points, point => Assert.Equal(8, point[Metric]));
    }

    private static StepMetrics Of(int step, double? value) => Reports.Step(step).With(Metric, value);

    private static WeakReference AddSteps(StepHistory history, int count)
    {
        WeakReference? last = null;
        for (var step = 1; step <= count; step++)
        {
            var report = Of(step, step);
            history.Add(report);
            last = new WeakReference(report);
        }
        return last!;
    }
}
