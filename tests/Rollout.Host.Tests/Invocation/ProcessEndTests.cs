using System.Diagnostics;
using Rollout.Host.Invocation;
using Rollout.Host.Tests.Cluster;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Invocation;

/// <summary>The end of real processes by signals.</summary>
[Collection(ProcessCollection.Name)]
public sealed class ProcessEndTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task A_second_ctrl_c_ends_training_with_130_while_libtorch_computes()
    {
        // A step of this size takes longer than two signals: the second one finds the process in its step.
        await using var training = HostProcess.Run(
            "train", "--config", RolloutRun.Job("smoke.conf"), "--set", "train.steps=1000", "--set", "train.prompts-per-step=1000",
            "--out", _folder.At("run"));
        await training.WaitForAsync("step 1/");

        await training.InterruptAsync();
        await training.WaitForAsync("Stopping after this step; press Ctrl-C again to end at once.");
        await training.InterruptAsync();

        Assert.Equal(ExitCodes.Interrupted, await training.ExitAsync());
    }

    [Fact]
    public async Task Termination_ends_a_command_that_waits_for_its_prompts()
    {
        using (var pipe = Process.Start("mkfifo", [_folder.At("prompts")]))
            await pipe.WaitForExitAsync();
        await using var generating = HostProcess.Run(
            "generate", "--model", TinyModel.Source, "--prompts", _folder.At("prompts"), "--out", _folder.At("out.jsonl"));
        // Opening a pipe waits for the other end: from here on the process reads, and nothing comes.
        await using var silent = await Task.Run(() =>
            new FileStream(_folder.At("prompts"), FileMode.Open, FileAccess.Write, FileShare.ReadWrite));

        var code = await generating.TerminateAsync();
        Assert.True(code == ExitCodes.Terminated, $"{code}: {generating.Said}");
        Assert.Contains("Ended at once: the command did not stop within 4 seconds.", generating.Said, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();
}
