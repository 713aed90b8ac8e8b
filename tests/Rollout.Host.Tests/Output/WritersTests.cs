using System.Text.Json;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Output;

public sealed class WritersTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_step_is_in_the_metrics_file_as_soon_as_it_is_written()
    {
        var run = RunFolder.Create(_folder.Path);
        using var metrics = MetricsWriter.Create(run);

        metrics.Write(Reports.Step(1));
        Assert.Single(MetricsWriter.Read(run));
        metrics.Write(Reports.Step(2, heldOut: 0.5));

        Assert.Equal([Reports.Step(1), Reports.Step(2, heldOut: 0.5)], MetricsWriter.Read(run));
    }

    [Fact]
    public void Metrics_have_snake_case_names_and_null_where_nothing_was_measured()
    {
        var run = RunFolder.Create(_folder.Path);
        using (var metrics = MetricsWriter.Create(run))
            metrics.Write(Reports.Step(1) with { Loss = double.NaN });

        using var line = JsonDocument.Parse(File.ReadAllText(run.Metrics));
        var names = line.RootElement.EnumerateObject().Select(property => property.Name);
        Assert.Equal(
            [
                "step", "steps", "policy_version", "reward_mean", "reward_std", "held_out_accuracy",
                "rollout_tokens_per_second", "train_tokens_per_second", "mean_completion_length",
                "max_completion_length", "truncated_share", "kl", "clip_fraction", "entropy", "logprob_difference_mean",
                "logprob_difference_max",
                "gradient_norm", "learning_rate", "loss", "equal_reward_groups", "failed_groups",
                "blocks_in_use_peak", "blocks_total", "sharing_ratio", "preemptions", "step_failures",
                "rollout_seconds",
                "train_seconds", "memory", "total_seconds",
            ],
            names);
        Assert.Equal(JsonValueKind.Null, line.RootElement.GetProperty("held_out_accuracy").ValueKind);
        Assert.Equal(JsonValueKind.Null, line.RootElement.GetProperty("loss").ValueKind);
        Assert.True(double.IsNaN(Assert.Single(MetricsWriter.Read(run)).Loss));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"step\":4,\"rew")]
    public void A_resumed_run_goes_on_after_its_checkpoint_whatever_a_crash_left(string cutShort)
    {
        var run = RunFolder.Create(_folder.Path);
        using (var metrics = MetricsWriter.Create(run))
        {
            for (var step = 1; step <= 3; step++)
                metrics.Write(Reports.Step(step));
        }

        File.AppendAllText(run.Metrics, cutShort);
        using (var metrics = MetricsWriter.Resume(run, lastStep: 2))
            metrics.Write(Reports.Step(3, heldOut: 1));

        Assert.Equal(
            [Reports.Step(1), Reports.Step(2), Reports.Step(3, heldOut: 1)],
            MetricsWriter.Read(run));
        Assert.Equal(3, File.ReadAllLines(run.Metrics).Length);
    }

    [Fact]
    public void Samples_are_written_with_their_text_as_it_is()
    {
        var run = RunFolder.Create(_folder.Path);
        using (var rollouts = RolloutsWriter.Create(run))
            rollouts.Write(Sample(1));

        Assert.Equal(
            """
            {"step":1,"group":9,"sample":0,"policy_version":0,"prompt":"2+2=","completion":"4 – \"ü\"\n",
            "token_ids":[4,0],"finish_reason":"stop","reward":1,"rewards":{"exact-answer":1,"format":null}}
            """.ReplaceLineEndings("") + "\n",
            File.ReadAllText(run.Rollouts));
    }

    [Fact]
    public void Samples_of_steps_that_are_done_again_are_dropped()
    {
        var run = RunFolder.Create(_folder.Path);
        using (var rollouts = RolloutsWriter.Create(run))
        {
            rollouts.Write(Sample(1));
            rollouts.Write(Sample(2));
        }

        RolloutsWriter.Resume(run, lastStep: 1).Dispose();

        Assert.Single(File.ReadAllLines(run.Rollouts));
    }

    public void Dispose() => _folder.Dispose();

    private static RolloutLine Sample(int step) => new()
    {
        Step = step,
        Group = 9,
        Sample = 0,
        PolicyVersion = 0,
        Prompt = "2+2=",
        Completion = "4 – \"ü\"\n",
        TokenIds = [4, 0],
        FinishReason = "stop",
        Reward = 1,
        Rewards = new() { ["exact-answer"] = 1, ["format"] = double.NaN },
    };
}
