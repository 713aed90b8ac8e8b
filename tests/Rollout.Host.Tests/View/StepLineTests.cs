using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Rollout.Host.View;
using Xunit;

namespace Rollout.Host.Tests.View;

public sealed class StepLineTests
{
    [Fact]
    public void A_step_is_one_line_with_its_units() =>
        Assert.Equal(
            "step 12/40  reward 0.365 ± 0.250  rollout 12,346 tok/s  train 6,789 tok/s  length 5.3 (max 12)  "
                + "kl 0.0012  clip 1.6%  blocks 96/512 shared 2.50x  logprob difference 1.3e-6 (max 4.5e-5)  "
                + "2.5 s  left 0:01:10",
            StepLine.Format(Reports.Step(12), steps: 40, TimeSpan.FromSeconds(70)));

    [Fact]
    public void Held_out_accuracy_and_failed_groups_are_there_when_there_are_any() =>
        Assert.StartsWith(
            "step 12/40  reward 0.365 ± 0.250  failed groups 2  held-out 0.500  rollout",
            StepLine.Format(Reports.Step(12, heldOut: 0.5).With(Metrics.FailedGroups, 2), steps: 40, TimeSpan.Zero),
            StringComparison.Ordinal);

    [Fact]
    public void Groups_that_were_drawn_and_dropped_are_there_when_there_are_any() =>
        Assert.StartsWith(
            "step 12/40  reward 0.365 ± 0.250  drew 48 groups, dropped 32  rollout",
            StepLine.Format(
                Reports.Step(12).With(Metrics.DrawnGroups, 48).With(Metrics.DroppedGroups, 32), steps: 40, TimeSpan.Zero),
            StringComparison.Ordinal);

    [Fact]
    public void The_time_left_is_that_of_the_latest_steps()
    {
        StepMetrics[] slowStart =
        [
            Reports.Step(1).With(Metrics.StepSeconds, 1000),
            .. Enumerable.Range(2, 20).Select(step => Reports.Step(step).With(Metrics.StepSeconds, 2)),
        ];

        Assert.Equal(TimeSpan.FromSeconds(2 * (100 - 21)), Reports.Totals(slowStart).TimeLeft(steps: 100));
        Assert.Equal(TimeSpan.Zero, new RunTotals().TimeLeft(steps: 40));
        Assert.Equal(TimeSpan.Zero, Reports.Totals([Reports.Step(40)]).TimeLeft(steps: 40));
    }

    [Theory]
    [InlineData(0, "0:00:00")]
    [InlineData(59.6, "0:01:00")]
    [InlineData(90061, "25:01:01")]
    public void A_duration_counts_days_as_hours(double seconds, string text) =>
        Assert.Equal(text, Figures.Duration(TimeSpan.FromSeconds(seconds)));
}
