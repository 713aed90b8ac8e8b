using System.Text.Json;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>Training end to end: real model, cache, actors, trainer and files.</summary>
public sealed class TrainJobTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_run_leaves_its_record_and_a_checkpoint_that_starts_another()
    {
        var run = await TrainAsync("first");

        Assert.Equal([0, 1, 2, 3], MetricsFile.Read(run).Select(step => step.Step));
        Assert.Equal(3 * 4 * 4, File.ReadLines(run.Rollouts).Count());
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], File.ReadAllBytes(run.Plots)[..4]);
        Assert.Equal([1, 2, 3], EventFileReader.Scalars(run.TensorBoard, "reward").Keys);
        Assert.True(File.Exists(Path.Combine(run.Path, "config.conf")));
        Assert.All(MetricsFile.Read(run).Skip(1), step =>
        {
            Assert.InRange(step[Metrics.LogprobDifferenceMax], 0, 1e-4);
            Assert.Equal(0, step[Metrics.FailedGroups]);
            Assert.True(step[Metrics.SharingRatio] >= 1);
        });

        await TrainAsync("second", $"model.path={run.Checkpoint(3)}");
    }

    [Fact]
    public async Task The_two_cache_engines_sample_the_same_tokens()
    {
        var paged = await TrainAsync("paged", "engine=paged");
        var contiguous = await TrainAsync("contiguous", "engine=contiguous");

        Assert.Equal(Tokens(paged, step: 1), Tokens(contiguous, step: 1));
    }

    [Fact]
    public async Task A_pool_that_hardly_holds_one_group_preempts_and_samples_the_same_tokens()
    {
        // 4 samples of up to 11 tokens in blocks of 2.
        var plenty = await TrainAsync("plenty");
        var tight = await TrainAsync("tight", "blocks.block-size=2", "blocks.count=21");

        Assert.Equal(Tokens(plenty, step: 1), Tokens(tight, step: 1));
    }

    [Fact]
    public async Task A_resumed_run_goes_on_as_the_one_that_was_not_interrupted()
    {
        string[] settings = ["train.lr-schedule=constant", "eval.every=2", "threads=1"];
        var whole = await TrainAsync("whole", [.. settings, "train.steps=4"]);
        var parted = await TrainAsync("parted", [.. settings, "train.steps=2"]);

        var (code, _, error) = await RolloutRun.RunAsync(
            "train", "--resume", parted.Path, "--set", "train.steps=4");

        Assert.Equal((0, ""), (code, error));
        var expected = MetricsFile.Read(whole).Select(Learnt).ToArray();
        Assert.Equal(expected, MetricsFile.Read(parted).Select(Learnt));
        Assert.Equal(Tokens(whole, step: 4), Tokens(parted, step: 4));
    }

    [Fact]
    public async Task A_run_that_trains_an_adapter_is_resumed_and_starts_another()
    {
        string[] settings =
            ["lora.r=2", "train.beta=0.05", "train.lr-schedule=constant", "threads=1", "eval.every=1"];
        var whole = await TrainAsync("whole", [.. settings, "train.steps=3"]);
        var parted = await TrainAsync("parted", [.. settings, "train.steps=1"]);

        var (code, _, error) = await RolloutRun.RunAsync("train", "--resume", parted.Path, "--set", "train.steps=3");

        Assert.Equal((0, ""), (code, error));
        Assert.Equal(Tokens(whole, step: 3), Tokens(parted, step: 3));
        Assert.Equal(MetricsFile.Read(whole).Select(Learnt), MetricsFile.Read(parted).Select(Learnt));
        Assert.True(File.Exists(Path.Combine(whole.Checkpoint(3), "adapter_model.safetensors")));
        Assert.False(File.Exists(Path.Combine(whole.Checkpoint(3), "model.safetensors")));
        Assert.All(MetricsFile.Read(whole).Skip(1), step => Assert.InRange(step[Metrics.LogprobDifferenceMax], 0, 1e-4));
        await TrainAsync("other", $"model.adapter={whole.Checkpoint(3)}", "train.steps=1");
    }

    [Fact]
    public async Task A_random_model_learns_to_write_a_keyword()
    {
        var (code, _, error) = await RolloutRun.RunAsync(
            "train", "--config", RolloutRun.Job("keyword.conf"), "--set", "train.steps=40", "--out",
            _folder.At("keyword"));

        Assert.Equal((0, ""), (code, error));
        var rewards = MetricsFile.Read(RunFolder.For(_folder.At("keyword")))
            .Select(step => step.Find(Metrics.Reward)).OfType<double>().ToArray();
        var (early, late) = (rewards[..5].Average(), rewards[^5..].Average());
        Assert.True(late > early + 0.2, $"the mean reward went from {early:0.000} to {late:0.000}");
    }

    [Fact]
    public async Task A_dry_run_says_what_the_job_needs_and_makes_no_folder()
    {
        var (code, output, error) = await RolloutRun.RunAsync(
            "train", "--config", RolloutRun.Job("smoke.conf"), "--out", _folder.At("dry"), "--dry-run");

        Assert.Equal((0, ""), (code, error));
        Assert.Contains("  weights\n", output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Contains("  in all\n", output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("dry")));
    }

    private static (int, double?, double?, double?, double?) Learnt(StepMetrics step) => (
        step.Step, step.Find(Metrics.Reward), step.Find(Metrics.Loss), step.Find(Metrics.Tokens),
        step.Find(Metrics.HeldOutAccuracy));

    private async Task<RunFolder> TrainAsync(string name, params string[] settings)
    {
        var (code, output, error) = await RolloutRun.RunAsync(
        [
            "train", "--config", RolloutRun.Job("smoke.conf"), "--out", _folder.At(name),
            .. settings.SelectMany(setting => (string[])["--set", setting]),
        ]);
        Assert.Equal((0, ""), (code, error));
        Assert.DoesNotContain('\u001b', output);
        return RunFolder.For(_folder.At(name));
    }

    private static string[] Tokens(RunFolder run, int step) =>
    [
        .. File.ReadLines(run.Rollouts)
            .Select(line => JsonSerializer.Deserialize<JsonElement>(line))
            .Where(line => line.GetProperty("step").GetInt32() == step)
            .Select(line => $"{line.GetProperty("group")}.{line.GetProperty("sample")}: {line.GetProperty("token_ids")}"),
    ];
}
