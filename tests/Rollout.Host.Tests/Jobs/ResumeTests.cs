using System.Text.Json.Nodes;
using Rollout.Host.Invocation;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>Runs that go on from a checkpoint, and those that cannot.</summary>
public sealed class ResumeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private RunFolder Run => RunFolder.For(_folder.At("run"));

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("train.prompts-per-step=64")]
    [InlineData(
        "train.prompts-per-step=8", "train.mini-batch-prompts=4", "train.dynamic-sampling=on",
        "train.max-generation-batches=20", "eval.every=1", "eval.samples=2")]
    public async Task A_repeated_or_resumed_run_equals_the_first_to_the_last_bit(params string[] recipe)
    {
        string[] settings =
            ["threads=2", "train.lr-schedule=constant", "train.steps=6", "output.checkpoint-every=2", .. recipe];
        await TrainRun.RunAsync(RolloutRun.Job("smoke.conf"), _folder.At("first"), settings);
        await TrainRun.RunAsync(RolloutRun.Job("smoke.conf"), _folder.At("second"), settings);
        await TrainRun.RunAsync(RolloutRun.Job("smoke.conf"), Run.Path, settings);
        // As a process leaves it that was killed while it worked on step 4 after it had saved step 2.
        Directory.Delete(Run.Checkpoint(4), recursive: true);
        Directory.Delete(Run.Checkpoint(6), recursive: true);

        var (code, _, error) = await RolloutRun.RunAsync("train", "--resume", Run.Path);

        Assert.Equal((ExitCodes.Ok, ""), (code, error));
        Assert.Equal(
            recipe.Contains("train.dynamic-sampling=on"),
            TrainRun.Lines(Run.Path, "metrics.jsonl")
                .Any(line => line.TryGetProperty("groups/dropped", out var dropped) && dropped.GetDouble() > 0));
        foreach (var run in (string[])[_folder.At("second"), Run.Path])
        {
            Assert.Equal(TrainRun.TimelessMetrics(_folder.At("first")), TrainRun.TimelessMetrics(run));
            foreach (var file in (string[])["rollouts.jsonl", "eval.jsonl"])
                Assert.Equal(File.ReadAllLines(_folder.At($"first/{file}")), File.ReadAllLines(Path.Combine(run, file)));
            foreach (var file in (string[])["model.safetensors", "optimizer.safetensors"])
            {
                Assert.True(
                    File.ReadAllBytes(Path.Combine(_folder.At("first"), "checkpoints", "step-6", file))
                        .AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(run, "checkpoints", "step-6", file))),
                    $"{file} of {run}");
            }
        }
    }

    [Fact]
    public async Task A_damaged_checkpoint_is_refused_with_the_name_of_the_newest_one_that_is_whole()
    {
        await TrainRun.RunAsync(
            RolloutRun.Job("smoke.conf"), Run.Path, "train.steps=3", "output.checkpoint-every=1", "eval.every=0");
        var optimizer = Path.Combine(Run.Checkpoint(3), "optimizer.safetensors");
        var bytes = File.ReadAllBytes(optimizer);
        bytes[^1000] ^= 1;
        File.WriteAllBytes(optimizer, bytes);
        File.Delete(Path.Combine(Run.Checkpoint(2), "optimizer.safetensors"));

        Assert.Equal(
            $"{optimizer} is not the file that manifest.json lists: its checksum differs. The newest whole checkpoint "
            + $"is '{Run.Checkpoint(1)}': remove the newer ones to continue from it.",
            await RefusedAsync());

        File.Delete(optimizer);
        Assert.StartsWith($"{optimizer} is missing", await RefusedAsync(), StringComparison.Ordinal);

        File.Delete(Path.Combine(Run.Checkpoint(3), "progress.json"));
        Assert.Contains($"The newest whole checkpoint is '{Run.Checkpoint(1)}'", await RefusedAsync(), StringComparison.Ordinal);

        File.Delete(Path.Combine(Run.Checkpoint(3), "manifest.json"));
        Assert.StartsWith(Path.Combine(Run.Checkpoint(3), "manifest.json"), await RefusedAsync(), StringComparison.Ordinal);

        Directory.Delete(Run.Checkpoint(3), recursive: true);
        Directory.Delete(Run.Checkpoint(2), recursive: true);
        File.AppendAllText(Path.Combine(Run.Checkpoint(1), "model.safetensors"), "x");
        Assert.EndsWith("No checkpoint of the run is whole.", await RefusedAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_finished_run_says_so_and_how_it_goes_on()
    {
        await TrainRun.RunAsync(RolloutRun.Job("smoke.conf"), Run.Path, "eval.every=0", "train.lr-schedule=constant");
        var metrics = await File.ReadAllTextAsync(Run.Metrics);

        var (code, output, error) = await RolloutRun.RunAsync("train", "--resume", Run.Path);

        Assert.Equal((ExitCodes.Ok, ""), (code, error));
        Assert.EndsWith($"done: 3 of 3 steps, {Run.Checkpoint(3)}; --set train.steps=N goes on\n", output, StringComparison.Ordinal);
        Assert.Equal(metrics, await File.ReadAllTextAsync(Run.Metrics));
    }

    [Fact]
    public async Task A_run_that_was_killed_before_its_first_checkpoint_begins_again_with_its_own_job()
    {
        await TrainRun.RunAsync(RolloutRun.Job("smoke.conf"), Run.Path, "train.steps=1");
        Directory.Delete(Run.Checkpoints, recursive: true);

        var (code, output, error) = await RolloutRun.RunAsync("train", "--resume", Run.Path);

        Assert.Equal((ExitCodes.Ok, ""), (code, error));
        Assert.Contains("ended before its first checkpoint: it begins again", output, StringComparison.Ordinal);
        Assert.Contains($"job {Run.Config}, output {Run.Path}\n", output, StringComparison.Ordinal);
        Assert.Single(Directory.EnumerateDirectories(Run.Checkpoints));
    }

    [Fact]
    public async Task A_run_whose_initial_model_is_gone_goes_on_with_the_copy_in_its_checkpoint()
    {
        var model = TinyModel.Save(_folder);
        await TrainRun.RunAsync(
            RolloutRun.Job("smoke.conf"), Run.Path, "train.steps=1", "train.lr-schedule=constant", "output.keep-last=1",
            $"model.path={model}");
        Directory.Delete(model, recursive: true);

        var (code, output, error) = await RolloutRun.RunAsync(
            "train", "--resume", Run.Path, "--set", "train.steps=3", "--set", "output.checkpoint-every=1");

        Assert.Equal((ExitCodes.Ok, ""), (code, error));
        Assert.Contains($"WARNING '{model}', which the run started from, is gone", output, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(Run.Checkpoint(3), "tokenizer.json")));

        // With a reference policy, the initial weights are needed.
        (code, _, error) = await RolloutRun.RunAsync(
            "train", "--resume", Run.Path, "--set", "train.steps=4", "--set", "train.beta=0.1");
        Assert.Equal(ExitCodes.BadInput, code);
        Assert.Contains("model.path", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_that_reaches_its_target_says_so()
    {
        var (code, output, _) = await RolloutRun.RunAsync(
            "train", "--config", RolloutRun.Job("smoke.conf"), "--out", Run.Path, "--set", "eval.every=1", "--set", "eval.target=0.1");

        Assert.Equal(ExitCodes.Ok, code);
        Assert.Contains("target reached before training: held-out accuracy 0.", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_checkpoint_whose_bytes_changed_is_no_model_to_start_from_either()
    {
        await TrainRun.RunAsync(RolloutRun.Job("smoke.conf"), Run.Path, "train.steps=1", "eval.every=0");
        var weights = Path.Combine(Run.Checkpoint(1), "model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        bytes[^1000] ^= 1;
        File.WriteAllBytes(weights, bytes);

        var (code, _, error) = await RolloutRun.RunAsync(
            "train", "--config", RolloutRun.Job("smoke.conf"), "--out", _folder.At("other"),
            "--set", $"model.path={Run.Checkpoint(1)}");

        Assert.Equal(ExitCodes.BadInput, code);
        Assert.StartsWith($"{weights} is not the file that manifest.json lists", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("other")));
    }

    [Fact]
    public async Task A_run_that_goes_on_with_other_threads_says_that_its_last_bits_may_differ()
    {
        await TrainRun.RunAsync(
            RolloutRun.Job("smoke.conf"), Run.Path, "train.steps=1", "eval.every=0", "threads=2",
            "train.lr-schedule=constant");

        var (_, other, _) = await RolloutRun.RunAsync(
            "train", "--resume", Run.Path, "--set", "train.steps=2", "--set", "threads=1");
        var (_, equal, _) = await RolloutRun.RunAsync(
            "train", "--resume", Run.Path, "--set", "train.steps=3", "--set", "threads=1");

        Assert.Contains("rollout.threads was 2 and is 1", other.ReplaceLineEndings(" "), StringComparison.Ordinal);
        Assert.DoesNotContain("WARNING", equal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_checkpoint_of_another_dataset_or_other_settings_is_refused_by_what_differs()
    {
        var data = _folder.At("data.jsonl");
        File.WriteAllText(data, """{"prompt": "1+1=", "answer": "2"}""" + "\n");
        await TrainRun.RunAsync(
            RolloutRun.Job("smoke.conf"), Run.Path, "train.steps=1", "eval.every=0", "data.type=jsonl",
            $"data.jsonl.train={data}", "train.epsilon=0.2");

        Assert.Equal(
            $"'{Run.Checkpoint(1)}' is of a run with other settings: rollout.sampling.temperature was 0.6 and is 0.7, "
            + "rollout.seed was 1 and is 2. Set them back, or start a new run from its weights with model.path = "
            + $"'{Run.Checkpoint(1)}'.",
            await RefusedAsync("sampling.temperature=0.7", "seed=2", "train.epsilon=2e-1", "train.learning-rate=1e-4"));

        File.WriteAllText(data, """{"prompt": "1+1=", "answer": "3"}""" + "\n");
        Assert.Contains("the content of rollout.data.jsonl.train differs", await RefusedAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_best_and_the_newest_checkpoints_stay_and_the_run_names_them()
    {
        var (code, output, error) = await RolloutRun.RunAsync(
            "train", "--config", RolloutRun.Job("smoke.conf"), "--out", Run.Path,
            "--set", "train.steps=5", "--set", "eval.every=1", "--set", "output.checkpoint-every=1",
            "--set", "output.keep-last=2", "--set", "output.keep-best=on");

        Assert.Equal((ExitCodes.Ok, ""), (code, error));
        var accuracies = TrainRun.Lines(Run.Path, "metrics.jsonl").Skip(1)
            .Select(line => line.GetProperty("eval_accuracy").GetDouble()).ToArray();
        var best = 1 + Array.IndexOf(accuracies, accuracies.Max());
        Assert.Equal(
            new[] { best, 4, 5 }.Distinct().Order().Select(Run.Checkpoint),
            Directory.GetDirectories(Run.Checkpoints).Order());
        Assert.Contains($"the best checkpoint is that of step {best} ", output, StringComparison.Ordinal);
        Assert.Contains("a checkpoint takes ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_whose_last_metrics_are_no_numbers_exits_with_an_error()
    {
        await TrainRun.RunAsync(RolloutRun.Job("smoke.conf"), Run.Path, "train.steps=1", "eval.every=0");
        var lines = File.ReadAllLines(Run.Metrics);
        var line = JsonNode.Parse(lines[^1])!;
        line["loss"] = null; // a line of metrics.jsonl cannot say NaN
        File.WriteAllLines(Run.Metrics, [.. lines[..^1], line.ToJsonString()]);

        var (code, output, error) = await RolloutRun.RunAsync("train", "--resume", Run.Path);

        Assert.Equal(ExitCodes.Failure, code);
        Assert.StartsWith("training step 1, the last, has NaN or infinite metrics", error, StringComparison.Ordinal);
        Assert.Contains("done: 1 of 1 steps", output, StringComparison.Ordinal);
    }

    private async Task<string> RefusedAsync(params string[] settings)
    {
        var (code, _, error) = await RolloutRun.RunAsync(
            ["train", "--resume", Run.Path, .. settings.SelectMany(set => (string[])["--set", set])]);
        Assert.Equal(ExitCodes.BadInput, code);
        return error.Trim();
    }
}
