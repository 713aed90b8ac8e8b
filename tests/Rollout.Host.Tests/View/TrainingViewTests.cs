using Rollout.Host.Tests.Support;
using Rollout.Host.View;
using Xunit;

namespace Rollout.Host.Tests.View;

public sealed class TrainingViewTests
{
    [Fact]
    public async Task Redirected_output_is_a_line_a_step_and_a_summary_without_escape_sequences()
    {
        var output = new StringWriter();
        await using (var view = new TrainingView(Consoles.Plain(output)))
        {
            view.Report(Reports.Step(1, steps: 2, heldOut: 0.1));
            view.Say("Stopping after this step.");
            view.Report(Reports.Step(2, steps: 2, heldOut: 0.2));
        }

        var lines = output.ToString().Split('\n');
        Assert.StartsWith("step 1/2  reward 0.145", lines[0], StringComparison.Ordinal);
        Assert.EndsWith("left 0:00:02", lines[0].TrimEnd(), StringComparison.Ordinal);
        Assert.Equal("Stopping after this step.", lines[1].TrimEnd());
        Assert.StartsWith("step 2/2  reward 0.165", lines[2], StringComparison.Ordinal);
        Assert.Contains("2 training steps", output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', output.ToString());
    }

    [Fact]
    public async Task A_terminal_gets_a_panel_that_is_drawn_over_in_place()
    {
        var output = new StringWriter();
        await using (var view = new TrainingView(Consoles.Terminal(output), inPlace: true))
        {
            view.Report(Reports.Step(1));
            view.Say("A checkpoint was written.");
            view.Report(Reports.Step(2, heldOut: 0.25));
        }

        var text = output.ToString();
        Assert.Contains("step 1/40, policy 1", text, StringComparison.Ordinal);
        Assert.Contains("A checkpoint was written.", text, StringComparison.Ordinal);
        Assert.Contains("step 2/40, policy 2", text, StringComparison.Ordinal);
        Assert.Matches("\u001b\\[\\d+A", text); // back up to draw over
        Assert.EndsWith("0 preemptions.", text.TrimEnd(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_panel_shows_every_figure_of_the_step()
    {
        var output = new StringWriter();
        Consoles.Plain(output).Write(StepPanel.Render([
            Reports.Step(9, heldOut: 0.5),
            Reports.Step(10) with { FailedGroups = 1 },
        ]));

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
            │ groups               3 with equal rewards, 1 failed                                                        │
            │ time                 2.5 s a step, 0:01:15 left                                                            │
            ╰────────────────────────────────────────────────────────────────────────────────────────────────────────────╯

            """,
            output.ToString(),
            ignoreLineEndingDifferences: true);
    }

    [Fact]
    public void The_summary_counts_the_steps_with_a_metric_that_is_no_number()
    {
        var output = new StringWriter();
        Consoles.Plain(output).Write(RunSummary.Render([
            Reports.Step(1),
            Reports.Step(2) with { LogprobDifferenceMax = double.NaN },
            Reports.Step(3) with { Entropy = double.PositiveInfinity },
        ]));

        Assert.Contains(
            "log-probability difference at most 4.5e-5, without 2 of 3 steps that have a metric which is no number;",
            output.ToString().ReplaceLineEndings(" "),
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_summary_compares_the_first_the_last_and_the_best_step()
    {
        var output = new StringWriter();
        Consoles.Plain(output).Write(RunSummary.Render([
            Reports.Step(1, heldOut: 0.1),
            Reports.Step(2, heldOut: 0.9) with { RewardMean = 0.8, Preemptions = 2 },
            Reports.Step(3, heldOut: 0.7) with { FailedGroups = 1, RolloutTokensPerSecond = 500 },
        ]));

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
            0:00:08 in all; log-probability difference at most 4.5e-5; 1 failed groups, 2 preemptions.
            """,
            output.ToString().TrimEnd(),
            ignoreLineEndingDifferences: true);
    }

    [Fact]
    public async Task A_run_that_finished_no_step_says_so()
    {
        var output = new StringWriter();
        await new TrainingView(Consoles.Plain(output)).DisposeAsync();

        Assert.Equal("No training step was finished.", output.ToString().Trim());
    }
}
