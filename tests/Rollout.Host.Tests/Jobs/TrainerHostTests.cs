using Rollout.Host.Invocation;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>A host that trains and is started again and again with one command, here as a cluster of its own.</summary>
public sealed class TrainerHostTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private RunFolder Run => RunFolder.For(_folder.At("run"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_same_command_begins_a_run_continues_it_and_has_nothing_to_do_after_it()
    {
        await StartAsync(steps: 1);
        var again = await StartAsync(steps: 3);
        var metrics = await File.ReadAllTextAsync(Run.Metrics);
        var last = await StartAsync(steps: 3);

        Assert.Contains($"continuing the run in '{Run.Path}' after training step 1\n", again, StringComparison.Ordinal);
        Assert.Contains("READY port=", again, StringComparison.Ordinal);
        Assert.Contains(
            $"done: 3 of 3 steps, {Run.Checkpoint(3)}; --set train.steps=N goes on\n", last, StringComparison.Ordinal);
        Assert.DoesNotContain("READY", last, StringComparison.Ordinal);
        Assert.Equal(metrics, await File.ReadAllTextAsync(Run.Metrics));

        await TrainRun.RunAsync(
            RolloutRun.Job("smoke.conf"), _folder.At("whole"), "threads=1", "train.lr-schedule=constant",
            "train.steps=3");
        Assert.Equal(Learnt(_folder.At("whole")), Learnt(Run.Path));
    }

    [Fact]
    public async Task A_run_that_was_killed_before_its_first_checkpoint_begins_anew_and_says_so()
    {
        Directory.CreateDirectory(Path.Combine(Run.Checkpoints, ".unfinished-step-2-abc"));
        await File.WriteAllLinesAsync(Run.Metrics, ["""{"step":1}""", """{"step":2}"""]);
        await File.WriteAllTextAsync(Run.Rollouts, "{}\n");

        var said = await StartAsync(steps: 1);

        Assert.Contains(
            $"the run in '{Run.Path}' ended before its first checkpoint: it begins again, and its record is replaced\n",
            said, StringComparison.Ordinal);
        Assert.Contains("WARNING no checkpoint before the end (output.checkpoint-every = 0)", said, StringComparison.Ordinal);
        Assert.Equal([0, 1], MetricsFile.Read(Run).Select(step => step.Step));
        Assert.Equal(4 * 4, File.ReadLines(Run.Rollouts).Count());
        Assert.True(Directory.Exists(Run.Checkpoint(1)));
    }

    [Fact]
    public async Task Checkpoints_of_which_none_is_complete_are_left_alone()
    {
        var kept = Directory.CreateDirectory(Path.Combine(Run.Checkpoints, ".replaced-step-3-abc")).FullName;

        var (code, _, error) = await RolloutRun.RunAsync(Command(steps: 1));

        Assert.Equal((ExitCodes.BadInput, $"'{Run.Path}' holds no complete checkpoint to continue from."), (code, error.Trim()));
        Assert.Equal([kept], Directory.EnumerateFileSystemEntries(Run.Checkpoints));
        Assert.Equal([Run.Checkpoints], Directory.EnumerateFileSystemEntries(Run.Path));
    }

    [Fact]
    public async Task A_folder_that_another_process_trains_in_is_refused()
    {
        Directory.CreateDirectory(Run.Path);
        using var held = RunFolder.Hold(Run.Path);

        var (code, _, error) = await RolloutRun.RunAsync(Command(steps: 1));

        Assert.Equal(ExitCodes.BadInput, code);
        Assert.StartsWith($"Another process trains in '{Run.Path}'", error, StringComparison.Ordinal);
    }

    /// <summary>What it says until it ends by itself.</summary>
    private async Task<string> StartAsync(int steps)
    {
        var (code, output, error) = await RolloutRun.RunAsync(Command(steps));
        Assert.Equal((ExitCodes.Ok, ""), (code, error));
        return output;
    }

    private string[] Command(int steps) =>
    [
        "host", "--config", RolloutRun.Job("smoke.conf"), "--out", Run.Path,
        "--set", "cluster.roles=[scheduler, decoder, trainer]",
        "--set", "threads=1", "--set", "train.lr-schedule=constant", "--set", "output.checkpoint-every=0",
        "--set", $"train.steps={steps}",
    ];

    private static (int, double, double, double)[] Learnt(string run) =>
    [
        .. MetricsFile.Read(RunFolder.For(run))
            .Select(step => (step.Step, step[Metrics.Reward], step[Metrics.Loss], step[Metrics.GradientNorm])),
    ];
}
