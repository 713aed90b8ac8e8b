using System.Text.RegularExpressions;
using Rollout.Host.Invocation;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>
/// Real processes that train together. What a run samples and learns is what one process alone does, whatever happens to
/// its decoders and to the trainer itself.
/// </summary>
public sealed partial class TrainingProcessTests(ITestOutputHelper log) : HostProcessTest(log)
{
    [Fact]
    public async Task Training_that_loses_a_decoder_during_a_step_learns_what_one_process_learns()
    {
        // Steps of a second, whose weights change every sample after them.
        string[] job =
        [
            "train", "--config", RolloutRun.Job("smoke.conf"), "--set", "threads=1",
            "--set", "train.prompts-per-step=64", "--set", "train.learning-rate=1e-3",
        ];
        var (alone, together) = (Folder.At("alone"), Folder.At("together"));
        var expected = Task.Run(() => RunAsync([.. job, "--out", alone]));
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        string[] decoder = [Seed(scheduler), "decoder.max-num-seqs=2"];
        var decoders = await Task.WhenAll(StartAsync("decoder.conf", decoder), StartAsync("decoder.conf", decoder));
        await expected;

        var training = Keep(HostProcess.Run([.. job, "--cluster", $"127.0.0.1:{scheduler.Port}", "--out", together]));
        await training.WaitForAsync("step 1/3");
        decoders[0].Kill();

        Assert.Matches(LostInTheMiddle(), await scheduler.WaitForAsync($"127.0.0.1:{decoders[0].Port} is lost with its host"));
        Assert.True(await training.ExitAsync() == ExitCodes.Ok, training.Said);
        Assert.Equal(Sampled(alone), Sampled(together));
        Assert.Equal(Learnt(alone), Learnt(together));
        Assert.All(Learnt(together).Skip(1), step => Assert.InRange(step.LogprobDifferenceMax, 0, 1e-4));
    }

    [Fact]
    public async Task Training_whose_trainer_is_killed_continues_from_its_checkpoint_unchanged()
    {
        const int Steps = 10;       // more than it takes between the first checkpoint and the signal
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        await StartAsync("decoder.conf", Seed(scheduler));
        string[] job =
        [
            "train", "--config", RolloutRun.Job("smoke.conf"), "--set", "threads=1",
            "--set", "output.checkpoint-every=1", "--set", $"train.steps={Steps}",
        ];
        var (alone, together) = (Folder.At("alone"), Folder.At("together"));

        await RunAsync([.. job, "--out", alone]);
        var killed = Keep(HostProcess.Run([.. job, "--cluster", $"127.0.0.1:{scheduler.Port}", "--out", together]));
        await killed.WaitForAsync("checkpoint of step 1");
        killed.Kill();
        await killed.ExitAsync();
        await RunAsync("train", "--resume", together);

        Assert.Equal(Sampled(alone), Sampled(together));
        Assert.Equal(Enumerable.Range(0, Steps + 1), MetricsFile.Read(RunFolder.For(together)).Select(step => step.Step));
    }

    [Fact]
    public async Task A_trainer_that_is_downed_saves_and_its_command_continues_from_there()
    {
        const int Steps = 20;       // more than it takes between the first one and the signal
        var run = RunFolder.For(Folder.At("run"));
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]", Impatient);
        await StartAsync("decoder.conf", Seed(scheduler), Impatient);
        string[] settings =
        [
            .. Fast, Impatient, Seed(scheduler), "threads=1", $"train.steps={Steps}", "eval.prompts=16", "output.checkpoint-every=0",
        ];
        string[] command =
        [
            "host", "--config", RolloutRun.Job("cluster/trainer.conf"), "--out", run.Path,
            .. settings.SelectMany(setting => (string[])["--set", setting]),
        ];

        var frozen = Keep(HostProcess.Run(command));
        await frozen.WaitForAsync("step 1/");
        await frozen.FreezeAsync();
        await scheduler.WaitForAsync("(trainer) is down");
        await frozen.ThawAsync();

        Assert.Equal(ExitCodes.Failure, await frozen.ExitAsync());
        Assert.Contains("the cluster gave up", frozen.Said, StringComparison.Ordinal);
        var learnt = MetricsFile.Read(run)[^1].Step;
        Assert.InRange(learnt, 1, Steps - 1);
        Assert.Contains($"checkpoint of step {learnt}: ", frozen.Said, StringComparison.Ordinal);
        Assert.DoesNotContain("not saved", frozen.Said, StringComparison.Ordinal);

        var again = Keep(HostProcess.Run(command));
        Assert.True(await again.ExitAsync() == ExitCodes.Ok, again.Said);
        Assert.Contains(
            $"continuing the run in '{run.Path}' after training step {learnt}", again.Said, StringComparison.Ordinal);
        Assert.Equal(Enumerable.Range(0, Steps + 1), MetricsFile.Read(run).Select(step => step.Step));
    }

    private static string[] Sampled(string run) => [.. TrainRun.Lines(run, "rollouts.jsonl")
        .Select(line => $"step {line.GetProperty("step")}: {line.GetProperty("token_ids")}")];

    private static (int Step, double Reward, double Loss, double Gradient, double LogprobDifferenceMax, double? Accuracy)[]
        Learnt(string run) =>
    [
        .. MetricsFile.Read(RunFolder.For(run)).Select(step => (
            step.Step, step[Metrics.Reward], step[Metrics.Loss], step[Metrics.GradientNorm], step[Metrics.LogprobDifferenceMax],
            step.Find(Metrics.HeldOutAccuracy))),
    ];

    [GeneratedRegex(": [1-9][0-9]* samples continue on other decoders")]
    private static partial Regex LostInTheMiddle();
}
