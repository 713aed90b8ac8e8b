using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Rollout.Host.View;
using Spectre.Console.Rendering;
using Xunit;

namespace Rollout.Host.Tests.View;

public sealed class TrainingViewTests
{
    [Fact]
    public void Redirected_output_is_a_line_a_step_and_a_summary_without_escape_sequences()
    {
        var output = new StringWriter();
        using (var view = new TrainingView(Consoles.Context(output), steps: 2))
        {
            view.ReportStart(new HeldOutAccuracy(0, 0.05));
            view.Report(Reports.Step(1, heldOut: 0.1));
            view.Say("Stopping after this step.");
            view.Report(Reports.Step(2, heldOut: 0.2));
        }

        var lines = output.ToString().Split('\n');
        Assert.Equal("held-out accuracy before training: 5.0 %", lines[0].TrimEnd());
        Assert.StartsWith("step 1/2  reward 0.145", lines[1], StringComparison.Ordinal);
        Assert.EndsWith("left 0:00:02", lines[1].TrimEnd(), StringComparison.Ordinal);
        Assert.Equal("Stopping after this step.", lines[2].TrimEnd());
        Assert.StartsWith("step 2/2  reward 0.165", lines[3], StringComparison.Ordinal);
        Assert.Contains("2 training steps", output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', output.ToString());
    }

    [Fact]
    public void A_terminal_shows_every_line_that_was_said_and_one_panel_below_them()
    {
        var terminal = new VirtualTerminal();
        var context = Consoles.Context(terminal);
        using var view = new TrainingView(context, steps: 40);
        Assert.Contains("│ No training step is finished yet.", terminal.Rows[1], StringComparison.Ordinal);

        view.ReportStart(new HeldOutAccuracy(0, 0.488));
        view.Report(Reports.Step(1));
        view.Say("checkpoint of step 1: " + new string('d', 100));
        context.Error.WriteLine("12:00:00 WARNING a member is unreachable");
        view.Report(Reports.Step(2, heldOut: 0.25));

        Assert.Equal(
            [
                "held-out accuracy before training: 48.8 %",
                "checkpoint of step 1: " + new string('d', 58),
                new string('d', 42),
                "12:00:00 WARNING a member is unreachable",
            ],
            terminal.Rows[..4]);
        Assert.StartsWith("╭─step 2/40, policy 2──", terminal.Rows[4], StringComparison.Ordinal);
        var bottom = Array.FindIndex(terminal.Rows, row => row.StartsWith('╰'));
        Assert.All(terminal.Rows[5..bottom], row => Assert.True(row is ['│', .., '│'] && row.Length == 80, row));
        Assert.All(terminal.Rows[(bottom + 1)..], Assert.Empty);
    }

    [Fact]
    public void At_the_end_the_last_panel_stays_above_the_summary()
    {
        var terminal = new VirtualTerminal();
        using (var view = new TrainingView(Consoles.Context(terminal), steps: 40))
            view.Report(Reports.Step(1));

        Assert.Single(terminal.Rows, row => row.StartsWith("╭─step 1/40", StringComparison.Ordinal));
        Assert.EndsWith("0 failed groups, 0 preemptions.", string.Join(' ', terminal.Rows).TrimEnd(), StringComparison.Ordinal);
        Assert.True(terminal.ShowsCursor);
    }

    [Fact]
    public void The_panel_shows_the_accuracy_before_training_until_a_step_has_evaluated()
    {
        var start = new HeldOutAccuracy(0, 0.488);

        Assert.DoesNotContain("accuracy", Rendered(StepPanel.Render(new RunTotals(), steps: 40)), StringComparison.Ordinal);
        Assert.DoesNotContain(
            "accuracy", Rendered(StepPanel.Render(Reports.Totals([Reports.Step(1)]), steps: 40)), StringComparison.Ordinal);
        Assert.Contains(
            "held-out accuracy    0.488 (before training)", Rendered(StepPanel.Render(Reports.Totals([Reports.Step(1)], start), steps: 40)),
            StringComparison.Ordinal);
        Assert.Contains(
            "held-out accuracy    0.600 (step 2)",
            Rendered(StepPanel.Render(Reports.Totals([Reports.Step(1), Reports.Step(2, heldOut: 0.6)], start), steps: 40)), StringComparison.Ordinal);
    }

    [Fact]
    public void The_panel_shows_every_figure_of_the_step()
    {
        Assert.Equal(
            """
            ╭─step 10/40, policy 10──────────────────────────────────────────────────────────────────────────────────────╮
            │ ==========------------------------------ 25%                                                               │
            │ reward               0.325 ± 0.250                                                                         │
            │ held-out accuracy    0.500 (step 9)                                                                        │
            │ rollout              12,346 tok/s, 1.5 s                                                                   │
            │ training             6,789 tok/s, 0.8 s                                                                    │
            │ completion length    5.3 (max 12)                                                                          │
            │ update               loss -0.0421, gradient norm 0.75, kl 0.0012, clipped 1.6%, learning rate 1.0e-3       │
            │ kv blocks            96/512, shared 2.50x, 0 preemptions                                                   │
            │ logprob difference   1.3e-6 (max 4.5e-5)                                                                   │
            │ groups               37.5% with equal rewards, 1 failed                                                    │
            │ time                 2.5 s a step, 0:01:15 left                                                            │
            ╰────────────────────────────────────────────────────────────────────────────────────────────────────────────╯

            """,
            Rendered(StepPanel.Render(
                Reports.Totals([Reports.Step(9, heldOut: 0.5), Reports.Step(10).With(Metrics.FailedGroups, 1)]), steps: 40)),
            ignoreLineEndingDifferences: true);
    }

    [Fact]
    public void The_summary_compares_the_first_the_last_and_the_best_step()
    {
        StepMetrics[] reports =
        [
            Reports.Step(1),
            Reports.Step(2, heldOut: 0.9).With(Metrics.Reward, 0.8).With(Metrics.Preemptions, 2),
            Reports.Step(3, heldOut: 0.7).With(Metrics.FailedGroups, 1).With(Metrics.RolloutRate, 500),
        ];

        Assert.Equal(
            """
            ╭───────────────────┬────────┬───────┬────────────────╮
            │ 3 training steps  │  first │  last │           best │
            ├───────────────────┼────────┼───────┼────────────────┤
            │ mean reward       │  0.145 │ 0.185 │ 0.800 (step 2) │
            │ held-out accuracy │  0.100 │ 0.700 │ 0.900 (step 2) │
            │ rollout tok/s     │ 12,346 │   500 │         12,346 │
            │ training tok/s    │  6,789 │ 6,789 │          6,789 │
            │ completion length │    5.3 │   5.3 │                │
            ╰───────────────────┴────────┴───────┴────────────────╯
            7.5 s in all; log-probability difference at most 4.5e-5; 1 failed group, 2 preemptions.
            """,
            Rendered(RunSummary.Render(Reports.Totals(reports, new HeldOutAccuracy(0, 0.1)))).TrimEnd(),
            ignoreLineEndingDifferences: true);
    }

    [Fact]
    public void The_summary_counts_skipped_updates() => Assert.Contains(
        "; 3 skipped updates, 0 failed groups",
        Rendered(RunSummary.Render(Reports.Totals(
            [Reports.Step(1).With(Metrics.SkippedUpdates, 1), Reports.Step(2).With(Metrics.SkippedUpdates, 2)]))),
        StringComparison.Ordinal);

    [Fact]
    public void A_step_that_trained_on_nothing_is_no_step_with_broken_metrics()
    {
        var untrained = Reports.Step(1).With(Metrics.Kl, null).With(Metrics.ClipFraction, null).With(Metrics.Entropy, null)
            .With(Metrics.LogprobDifferenceMean, null).With(Metrics.LogprobDifferenceMax, null);

        Assert.Contains("all; no log-probability was compared; 0 failed", Rendered(RunSummary.Render(Reports.Totals([untrained]))), StringComparison.Ordinal);
        Assert.Contains(
            "kl –  clip –  blocks 96/512 shared 2.50x  logprob difference not measured  ",
            StepLine.Format(untrained, steps: 40, TimeSpan.Zero), StringComparison.Ordinal);
    }

    [Fact]
    public void A_metric_that_is_no_number_is_shown_and_counted_in_the_summary() => Assert.Contains(
        "at most NaN; 2 steps with NaN or infinite metrics; 0 failed groups",
        Rendered(RunSummary.Render(Reports.Totals([
            Reports.Step(1),
            Reports.Step(2).With(Metrics.Entropy, double.NaN),
            Reports.Step(3).With(Metrics.LogprobDifferenceMax, double.NaN),
        ]))).ReplaceLineEndings("").Replace("  ", " ", StringComparison.Ordinal),
        StringComparison.Ordinal);

    [Fact]
    public void A_view_holds_none_of_the_steps_between_first_best_and_last()
    {
        using var view = new TrainingView(Consoles.Context(TextWriter.Null), steps: 40);

        var seen = ReportSteps(view, 30);

        GC.Collect();
        Assert.Equal(2, seen.Count(step => step.IsAlive));
    }

    [Fact]
    public void A_run_that_finished_no_step_says_so()
    {
        var output = new StringWriter();
        new TrainingView(Consoles.Context(output), steps: 2).Dispose();

        Assert.Equal("No training step was finished.", output.ToString().Trim());
    }

    /// <summary>Reports steps of ever higher rewards, and gives a weak reference to each.</summary>
    private static WeakReference[] ReportSteps(TrainingView view, int count) =>
    [
        .. Enumerable.Range(1, count).Select(step =>
        {
            var report = Reports.Step(step);
            view.Report(report);
            return new WeakReference(report);
        }),
    ];

    private static string Rendered(IRenderable content)
    {
        var output = new StringWriter();
        Consoles.Plain(output).Write(content);
        return output.ToString();
    }
}
