using System.Globalization;
using Rollout.Gpu.Training;
using Rollout.Host.Invocation;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>
/// A run that is killed (SIGKILL) again and again, each time in a phase and at a moment that a seed draws. The environment
/// variable ROLLOUT_KILL_POINTS says how often; the log has a table.
/// </summary>
public sealed class KilledRunTests(ITestOutputHelper log) : HostProcessTest(log)
{
    private static readonly string[] Phases = ["rollouts", "training", "saving", "evaluation"];

    /// <summary>Training steps between two checkpoints, and between two evaluations.</summary>
    private const int Every = 2;

    private readonly ITestOutputHelper _log = log;

    private static int KillPoints =>
        int.Parse(Environment.GetEnvironmentVariable("ROLLOUT_KILL_POINTS") ?? "3", CultureInfo.InvariantCulture);

    [Fact]
    public async Task A_run_killed_at_seeded_moments_equals_one_that_was_not_interrupted()
    {
        var (whole, killed) = (RunFolder.For(Folder.At("whole")), RunFolder.For(Folder.At("killed")));
        string[] settings =
        [
            "threads=1", $"train.steps={6 * KillPoints}", "train.prompts-per-step=32", "train.mini-batch-prompts=8",
            "train.num-iterations=2", "train.dynamic-sampling=on", "train.beta=0.05", "train.reference-sync-every=3",
            "train.learning-rate=1e-4", $"eval.every={Every}", "eval.prompts=128", "eval.samples=2",
            $"output.checkpoint-every={Every}", "output.keep-last=3", "output.keep-best=on",
        ];
        string[] job =
            ["train", "--config", RolloutRun.Job("smoke.conf"), .. settings.SelectMany(set => (string[])["--set", set])];
        var uninterrupted = Keep(HostProcess.Run([.. job, "--out", whole.Path]));
        Assert.True(await uninterrupted.ExitAsync() == ExitCodes.Ok, uninterrupted.Said);

        var random = new Random(1);
        var last = MetricsFile.Read(whole)[^1];
        string[] command = [.. job, "--out", killed.Path];
        for (var kill = 0; kill < KillPoints; kill++)
        {
            var phase = Phases[kill % Phases.Length];
            var share = random.NextDouble();
            var process = Keep(HostProcess.Run(command));
            await process.WaitForAsync("checkpoint of step");
            // Any moment will do, as what is compared does not depend on it, while steps are left for the next kills.
            await Task.WhenAny(
                phase == "saving" ? NextCheckpointBeginsAsync(killed) : Task.Delay(Moment(phase, share, last)),
                process.WaitForAsync("checkpoint of step"));
            process.Kill();
            await process.ExitAsync();
            _log.WriteLine($"kill {kill + 1}, aimed at {phase} ({share:0%}): {Found(killed)}");
            command = ["train", "--resume", killed.Path];
        }
        var resumed = Keep(HostProcess.Run(command));
        Assert.True(await resumed.ExitAsync() == ExitCodes.Ok, resumed.Said);

        Assert.Equal(TrainRun.TimelessMetrics(whole.Path), TrainRun.TimelessMetrics(killed.Path));
        Assert.Equal(File.ReadAllLines(whole.Rollouts), File.ReadAllLines(killed.Rollouts));
        Assert.Equal(File.ReadAllLines(whole.Evaluations), File.ReadAllLines(killed.Evaluations));
        var store = new CheckpointStore(whole.Checkpoints);
        Assert.Equal(store.Steps(), new CheckpointStore(killed.Checkpoints).Steps());
        Assert.True(store.TryLatest(out var newest));
        foreach (var file in Directory.GetFiles(newest, "*.safetensors").Select(Path.GetFileName))
        {
            Assert.True(
                File.ReadAllBytes(Path.Combine(newest, file!)).AsSpan().SequenceEqual(
                    File.ReadAllBytes(Path.Combine(killed.Checkpoints, Path.GetFileName(newest), file!))),
                file);
        }
    }

    /// <summary>The time from a checkpoint, with whose step an evaluation ended, to a moment of a phase.</summary>
    private static TimeSpan Moment(string phase, double share, StepMetrics typical)
    {
        var (rollouts, training, rest) =
            (typical[Metrics.RolloutSeconds], typical[Metrics.TrainSeconds], typical[Metrics.OtherSeconds]);
        return TimeSpan.FromSeconds(phase switch
        {
            "rollouts" => share * rollouts,
            "training" => rollouts + (share * training),
            _ => (2 * (rollouts + training)) + (share * rest),
        });
    }

    /// <summary>Returns when the run begins to write another checkpoint.</summary>
    private static async Task NextCheckpointBeginsAsync(RunFolder run)
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var watcher = new FileSystemWatcher(run.Checkpoints, ".unfinished-*") { NotifyFilter = NotifyFilters.DirectoryName };
        watcher.Created += (_, _) => begun.TrySetResult();
        watcher.EnableRaisingEvents = true;
        await begun.Task.WaitAsync(TimeSpan.FromMinutes(2));
    }

    /// <summary>What a killed process left.</summary>
    private static string Found(RunFolder run)
    {
        var others = Directory.GetDirectories(run.Checkpoints, ".*").Select(Path.GetFileName).ToArray();
        return $"metrics to step {MetricsFile.Read(run)[^1].Step}, checkpoints"
            + $" {string.Join(", ", new CheckpointStore(run.Checkpoints).Steps())}"
            + (others.Length > 0 ? $" and {string.Join(", ", others)}" : "");
    }
}
