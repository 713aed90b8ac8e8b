using Rollout.Actors.Data;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Host.Jobs;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

public sealed class RunRecordTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static readonly OutputSettings All = new()
    {
        CheckpointEvery = 0,
        KeepLast = 0,
        KeepBest = false,
        RolloutsPerStep = 0,
        TensorBoard = false,
    };

    private RunFolder Run => RunFolder.For(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_broken_line_costs_that_step_only_and_is_named()
    {
        WriteMetrics(4);
        var lines = File.ReadAllLines(Run.Metrics);
        lines[1] = "{\"step\": 2, \"rew";
        File.WriteAllLines(Run.Metrics, lines);

        using (var record = new RunRecord(Run, resumedAt: 4, All))
        {
            Assert.Equal([1, 3, 4], record.Earlier.Select(step => step.Step));
            Assert.Equal(
                $"WARNING '{Run.Metrics}' lacks 1 of the 4 steps so far, from step 2; unreadable: line 2",
                Assert.Single(record.Gaps));
        }

        Assert.Equal([lines[0], lines[2], lines[3]], File.ReadAllLines(Run.Metrics));
    }

    [Fact]
    public void Files_that_are_missing_are_mentioned()
    {
        using var record = new RunRecord(Run, resumedAt: 3, All);

        Assert.Equal(
            [
                $"WARNING '{Run.Metrics}' lacks 3 of the 3 steps so far, from step 1",
                $"WARNING '{Run.Rollouts}' was missing: it begins at step 4",
            ],
            record.Gaps);
    }

    [Fact]
    public void Samples_that_cannot_be_read_are_counted_and_the_others_kept()
    {
        WriteMetrics(1);
        using (var rollouts = RolloutsWriter.Create(Run))
            rollouts.Write(Sample);
        File.WriteAllLines(Run.Rollouts, ["{}", .. File.ReadAllLines(Run.Rollouts), "[]", "{"]);

        using (var record = new RunRecord(Run, resumedAt: 1, All))
            Assert.EndsWith("left out: lines 1, 3, 4", Assert.Single(record.Gaps), StringComparison.Ordinal);

        Assert.Single(File.ReadAllLines(Run.Rollouts));
    }

    [Fact]
    public void A_record_that_is_whole_has_no_gaps()
    {
        WriteMetrics(2);
        File.AppendAllText(Run.Metrics, "{\"step\": 3, \"rew");

        using var record = new RunRecord(Run, resumedAt: 2, All);

        Assert.Empty(record.Gaps);
        Assert.Equal([1, 2], record.Earlier.Select(step => step.Step));
    }

    [Fact]
    public void A_plot_that_cannot_be_written_is_a_warning_once_and_the_record_goes_on()
    {
        Directory.CreateDirectory(Path.Combine(Run.Plots, "in-the-way"));
        var warnings = new List<string>();
        using var record = new RunRecord(Run, resumedAt: null, All);

        record.Add(FinishedSteps.Of(1), warnings.Add);
        record.Complete(warnings.Add);

        Assert.StartsWith($"WARNING '{Run.Plots}' was not written: ", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.Equal([1], MetricsFile.Read(Run).Select(step => step.Step));
        Assert.Empty(Directory.EnumerateFiles(_folder.Path, "*.tmp"));
    }

    [Fact]
    public void A_sink_that_cannot_be_written_is_a_warning_once_and_the_others_go_on()
    {
        File.WriteAllText(Run.TensorBoard, "in the way");
        var warnings = new List<string>();
        using var record = new RunRecord(Run, resumedAt: null, All with { TensorBoard = true });

        record.Add(FinishedSteps.Of(1), warnings.Add);
        record.Add(FinishedSteps.Of(2), warnings.Add);
        record.Complete(warnings.Add);

        Assert.StartsWith($"WARNING '{Run.TensorBoard}' was not written: ", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.Equal([1, 2], MetricsFile.Read(Run).Select(step => step.Step));
        Assert.True(File.Exists(Run.Plots));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TensorBoards_files_are_written_where_the_setting_is_on(bool on)
    {
        using (var record = new RunRecord(Run, resumedAt: null, All with { TensorBoard = on }))
            record.Add(FinishedSteps.Of(1), _ => { });

        Assert.Equal(on, Directory.Exists(Run.TensorBoard));
    }

    [Fact]
    public void A_run_whose_last_metrics_are_no_numbers_has_not_succeeded()
    {
        using var record = new RunRecord(Run, resumedAt: null, All);
        Assert.Null(record.WhyDiverged);

        record.Add(FinishedSteps.Of(1) with { Train = FinishedSteps.Of(1).Train with { Loss = double.NaN } }, _ => { });
        Assert.Equal(
            "training step 1, the last, has NaN or infinite metrics: the policy has diverged, and train.learning-rate may be too"
            + " high",
            record.WhyDiverged);

        record.Add(FinishedSteps.Of(2), _ => { });
        Assert.Null(record.WhyDiverged);
    }

    [Fact]
    public void The_accuracy_before_training_is_step_0_and_survives_a_resume()
    {
        using (var record = new RunRecord(Run, resumedAt: null, All))
        {
            record.AddStart(Evaluations.Of(0.25), _ => { });
            record.Add(FinishedSteps.Of(1), _ => { });
        }

        Assert.Equal("""{"step":0,"eval_accuracy":0.25}""", File.ReadLines(Run.Metrics).First());
        using var resumed = new RunRecord(Run, resumedAt: 1, All);
        Assert.Empty(resumed.Gaps);
        Assert.Equal([0, 1], resumed.Earlier.Select(step => step.Step));
    }

    [Fact]
    public void Every_sample_of_a_step_is_a_line_with_its_tokens_and_what_each_reward_gave()
    {
        var group = FinishedSteps.Group(7, (0.5, 2, FinishReason.Stop), (double.NaN, 1, FinishReason.Length));
        var mixed = group with
        {
            Item = group.Item with { Fields = new Dictionary<string, string> { [PromptMix.DatasetField] = "sums", ["answer"] = "4" } },
            ByFunction = [new("exact", [1, double.NaN])],
        };
        using (var record = new RunRecord(Run, resumedAt: null, All))
        {
            var step = FinishedSteps.Of(3, mixed, group);
            record.Add(step with { Train = step.Train with { Advantages = [1, -1, 0.5f, 0] } }, _ => { });
        }

        var lines = File.ReadAllLines(Run.Rollouts);
        Assert.Equal(4, lines.Length);
        Assert.Equal(
            """{"step":3,"group":7,"sample":1,"policy_version":0"""
            + ""","dataset":"sums","prompt":"2+2=","answer":"4","text":"text 1","token_ids":[0],"logprobs":[0]"""
            + ""","finish_reason":"length","reward":null,"rewards":{"exact":null},"advantage":-1}""",
            lines[1]);
        Assert.Equal(
            """{"step":3,"group":7,"sample":0,"policy_version":0"""
            + ""","prompt":"2+2=","text":"text 0","token_ids":[0,0],"logprobs":[0,0]"""
            + ""","finish_reason":"stop","reward":0.5,"rewards":{},"advantage":0.5}""",
            lines[2]);
    }

    [Fact]
    public void Every_completion_of_an_evaluation_is_a_line_with_what_each_reward_gave()
    {
        using (var record = new RunRecord(Run, resumedAt: null, All))
            record.AddStart(Evaluations.OfTwoSets(), _ => { });

        var lines = File.ReadAllLines(Run.Evaluations);
        Assert.Equal(6, lines.Length);
        Assert.Equal(
            """{"step":0,"set":"hard","id":"item -7","sample":1,"policy_version":0"""
            + ""","prompt":"2+2=","text":"text 1","tokens":6,"finish_reason":"length","right":false"""
            + ""","reward":null,"rewards":{"exact":null}}""",
            lines[4]);
    }

    [Fact]
    public void A_resumed_run_keeps_the_evaluations_up_to_its_checkpoint()
    {
        var evaluated = FinishedSteps.Of(2) with { Evaluation = Evaluations.OfTwoSets() };
        using (var record = new RunRecord(Run, resumedAt: null, All))
        {
            record.AddStart(Evaluations.OfTwoSets(), _ => { });
            record.Add(FinishedSteps.Of(1), _ => { });
            record.Add(evaluated, _ => { });
        }
        var lines = File.ReadAllLines(Run.Evaluations);
        File.WriteAllLines(Run.Evaluations, [lines[0], "{", .. lines[1..]]);

        using (var resumed = new RunRecord(Run, resumedAt: 1, All))
        {
            Assert.Equal(
                $"WARNING '{Run.Evaluations}' had samples that can't be read and were left out: line 2",
                Assert.Single(resumed.Gaps));
            resumed.Add(evaluated, _ => { });
        }
        Assert.Equal(lines, File.ReadAllLines(Run.Evaluations));

        File.Delete(Run.Evaluations);
        using var without = new RunRecord(Run, resumedAt: 1, All);
        Assert.Equal($"WARNING '{Run.Evaluations}' was missing: it begins at step 2", Assert.Single(without.Gaps));
    }

    [Fact]
    public void The_tokens_of_a_resumed_run_are_counted_on()
    {
        var group = FinishedSteps.Group(1, (0, 5, FinishReason.Stop), (1, 2, FinishReason.Length));
        using (var record = new RunRecord(Run, resumedAt: null, All))
        {
            record.Add(FinishedSteps.Of(1, group), _ => { });
            record.Add(FinishedSteps.Of(2, group), _ => { });
        }

        using var resumed = new RunRecord(Run, resumedAt: 1, All);
        Assert.Equal(2 * (3 + 5 + 3 + 2), resumed.Add(FinishedSteps.Of(2, group), _ => { })[Metrics.Tokens]);
    }

    [Fact]
    public void Steps_with_the_names_of_an_earlier_version_are_mentioned_kept_and_not_shown()
    {
        const string former = """{"step":1,"steps":4,"reward_mean":0.5,"memory":{"rollout":{"peak":1}},"kl":null}""";
        File.WriteAllText(Run.Metrics, former + "\n");
        File.WriteAllText(Run.Rollouts, "");

        using (var record = new RunRecord(Run, resumedAt: 1, All))
        {
            Assert.Empty(record.Earlier);
            Assert.Equal(
                $"WARNING '{Run.Metrics}' has steps with the metric names of an earlier version: plots and summary leave them "
                    + "out, and num_tokens starts at 0",
                Assert.Single(record.Gaps));
            record.Add(FinishedSteps.Of(2), _ => { });
        }

        Assert.Equal(former, File.ReadLines(Run.Metrics).First());
        Assert.Equal([1, 2], MetricsFile.Read(Run).Select(step => step.Step));
    }

    private void WriteMetrics(int steps)
    {
        using var record = new RunRecord(Run, resumedAt: null, All);
        for (var step = 1; step <= steps; step++)
            record.Add(FinishedSteps.Of(step), _ => { });
    }

    private static RolloutLine Sample => new()
    {
        Step = 1,
        Group = 9,
        Sample = 0,
        PolicyVersion = 0,
        Prompt = "2+2=",
        Text = "4",
        TokenIds = [4, 0],
        FinishReason = "stop",
        Reward = 1,
    };
}
