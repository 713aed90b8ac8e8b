using System.Text.Json;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Host.Jobs;
using Rollout.Host.Output;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

public sealed class RunRecordTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private RunFolder Run => RunFolder.For(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_broken_line_costs_that_step_only_and_is_named()
    {
        WriteMetrics(4);
        var lines = File.ReadAllLines(Run.Metrics);
        lines[1] = "{\"step\": 2, \"rew";
        File.WriteAllLines(Run.Metrics, lines);

        using (var record = new RunRecord(Run, resumedAt: 4, rolloutsPerStep: 0))
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
        using var record = new RunRecord(Run, resumedAt: 3, rolloutsPerStep: 0);

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

        using (var record = new RunRecord(Run, resumedAt: 1, rolloutsPerStep: 0))
            Assert.EndsWith("left out: lines 1, 3, 4", Assert.Single(record.Gaps), StringComparison.Ordinal);

        Assert.Single(File.ReadAllLines(Run.Rollouts));
    }

    [Fact]
    public void A_record_that_is_whole_has_no_gaps()
    {
        WriteMetrics(2);
        File.AppendAllText(Run.Metrics, "{\"step\": 3, \"rew");

        using var record = new RunRecord(Run, resumedAt: 2, rolloutsPerStep: 0);

        Assert.Empty(record.Gaps);
        Assert.Equal([1, 2], record.Earlier.Select(step => step.Step));
    }

    [Fact]
    public void A_plot_that_cannot_be_written_is_a_warning_once_and_the_record_goes_on()
    {
        Directory.CreateDirectory(Path.Combine(Run.RewardsPlot, "in-the-way"));
        var warnings = new List<string>();
        using var record = new RunRecord(Run, resumedAt: null, rolloutsPerStep: 0);

        record.DrawPlot(warnings.Add);
        record.Add(Finished(1), warnings.Add);
        record.DrawPlot(warnings.Add);

        Assert.StartsWith($"WARNING '{Run.RewardsPlot}' was not written: ", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.Equal([1], MetricsWriter.Read(Run).Select(step => step.Step));
        Assert.Empty(Directory.EnumerateFiles(_folder.Path, "*.tmp"));
    }

    [Fact]
    public void Each_reward_function_has_its_mean_and_spread_in_the_metrics_under_its_name()
    {
        using (var record = new RunRecord(Run, resumedAt: null, rolloutsPerStep: 0))
        {
            record.Add(
                Finished(1) with { RewardsByFunction = [new("format", 0.25, 0.5), new("judge", 2, double.NaN)] }, _ => { });
        }

        using var line = JsonDocument.Parse(File.ReadAllText(Run.Metrics));
        Assert.Equal(0.25, line.RootElement.GetProperty("rewards/format/mean").GetDouble());
        Assert.Equal(0.5, line.RootElement.GetProperty("rewards/format/std").GetDouble());
        Assert.Equal(2, line.RootElement.GetProperty("rewards/judge/mean").GetDouble());
        Assert.Equal(JsonValueKind.Null, line.RootElement.GetProperty("rewards/judge/std").ValueKind);
        Assert.Equal(1, Assert.Single(MetricsWriter.Read(Run)).Step);
    }

    private void WriteMetrics(int steps)
    {
        using var record = new RunRecord(Run, resumedAt: null, rolloutsPerStep: 0);
        for (var step = 1; step <= steps; step++)
            record.Add(Finished(step), _ => { });
    }

    private static RolloutLine Sample => new()
    {
        Step = 1,
        Group = 9,
        Sample = 0,
        PolicyVersion = 0,
        Prompt = "2+2=",
        Completion = "4",
        TokenIds = [4, 0],
        FinishReason = "stop",
        Reward = 1,
    };

    private static TrainingStepFinished Finished(int step) => new()
    {
        Step = step,
        Steps = 9,
        Train = new TrainStats
        {
            Version = new PolicyVersion(step),
            Loss = 0,
            GradientNorm = 0,
            LearningRate = 0,
            ClipFraction = 0,
            Kl = 0,
            Entropy = 0,
            LogprobDifferenceMean = 0,
            LogprobDifferenceMax = 0,
            TrainedTokens = 0,
            EqualRewardGroups = 0,
            Seconds = 0,
            ProcessedTokens = 0,
        },
        Decode = DecoderStats.None,
        RewardMean = 0,
        RewardStd = 0,
        NewTokens = 0,
        MeanCompletionLength = 0,
        MaxCompletionLength = 0,
        TruncatedShare = 0,
        FailedGroups = 0,
        Groups = [],
        RolloutSeconds = 0,
        TotalSeconds = 0,
    };
}
