using Rollout.Host.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>
/// Real processes: hosts of the files in config/cluster/, and commands that sample and train with them. What they write
/// is what one process alone writes, whatever happens to the others meanwhile.
/// </summary>
[Collection(ProcessCollection.Name)]
public sealed class HostProcessTests(ITestOutputHelper log) : HostProcessTest(log)
{
    [Fact]
    public async Task Work_that_loses_its_decoders_and_schedulers_ends_with_the_file_of_one_process()
    {
        var expected = await AloneAsync();
        // The first one is the oldest: the scheduler works there until it is killed.
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        var seed = Seed(scheduler);
        var hosts = await Task.WhenAll(
            StartAsync("scheduler.conf", seed), StartAsync("scheduler.conf", seed),
            StartAsync("decoder.conf", seed), StartAsync("decoder.conf", seed), StartAsync("decoder.conf", seed));
        var (next, third, killed, drained) = (hosts[0], hosts[1], hosts[2], hosts[3]);
        await scheduler.WaitForAsync("6 members: 3 schedulers, 3 decoders");

        var sampling = SampleAsync("disturbed", $"127.0.0.1:{next.Port},127.0.0.1:{third.Port}");
        await third.WaitForAsync("(client) is up");
        await GrowingFile.ReachesAsync(Folder.Path, "disturbed*.part", bytes: 1);
        killed.Kill();
        await next.WaitForAsync($"127.0.0.1:{killed.Port} (decoder) is down");
        Assert.Equal(ExitCodes.Ok, await drained.TerminateAsync());
        Assert.Contains("left the cluster", drained.Said, StringComparison.Ordinal);
        scheduler.Kill();

        Assert.Equal(expected, await sampling);
        Assert.Contains($"127.0.0.1:{scheduler.Port} (scheduler) is down", third.Said, StringComparison.Ordinal);
        Assert.DoesNotContain($"127.0.0.1:{drained.Port} (decoder) is down", third.Said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Training_whose_trainer_is_killed_goes_on_from_its_checkpoint_as_if_nothing_had_been()
    {
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        await StartAsync("decoder.conf", Seed(scheduler));
        string[] job =
        [
            "train", "--config", RolloutRun.Job("smoke.conf"), "--set", "threads=1", "--set", "decoder.batch-invariant=on",
            "--set", "output.checkpoint-every=1",
        ];
        var (alone, together) = (Folder.Child("alone"), Folder.Child("together"));

        await RunAsync([.. job, "--out", alone]);
        var killed = Keep(HostProcess.Run([.. job, "--cluster", $"127.0.0.1:{scheduler.Port}", "--out", together]));
        await killed.WaitForAsync("checkpoint of step 1");
        killed.Kill();
        await killed.ExitAsync();
        await RunAsync("train", "--resume", together);

        Assert.Equal(Sampled(alone), Sampled(together));
        Assert.Equal(3, TrainRun.Lines(together, "metrics.jsonl").Length);

        static string[] Sampled(string run) => [.. TrainRun.Lines(run, "rollouts.jsonl")
            .Select(line => $"step {line.GetProperty("step")}: {line.GetProperty("token_ids")}")];
    }

    [Fact]
    public async Task A_host_that_does_not_fit_says_why_and_the_cluster_goes_on()
    {
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        await StartAsync("decoder.conf", Seed(scheduler));
        await scheduler.WaitForAsync("2 members: 1 scheduler, 1 decoder");

        await Task.WhenAll(
            AssertEndsAsync(
                ExitCodes.Failure,
                "has another model or tokenizer than the cluster's decoders",
                HostProcess.Start("decoder.conf", [.. Fast, Seed(scheduler), "model.weights=random"])),
            AssertEndsAsync(
                ExitCodes.BadInput,
                $"rollout.cluster.port = {scheduler.Port}: another process listens at 127.0.0.1:{scheduler.Port}",
                HostProcess.Start("scheduler.conf", [Seed(scheduler), $"cluster.port={scheduler.Port}"])));

        Assert.Equal(await AloneAsync(), await SampleAsync("after", $"127.0.0.1:{scheduler.Port}"));
    }
}
