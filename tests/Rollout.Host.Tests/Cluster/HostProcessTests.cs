using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>
/// Real processes: hosts of the files in config/cluster/, and commands that sample with them. What they write is what one
/// process alone writes, whatever happens to the others meanwhile.
/// </summary>
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
        await GrowingFile.ReachesAsync(Folder.Path, "disturbed*", bytes: 1);
        killed.Kill();
        await next.WaitForAsync($"127.0.0.1:{killed.Port} (decoder) is down");
        Assert.Equal(ExitCodes.Ok, await drained.TerminateAsync());
        Assert.Contains("left the cluster", drained.Said, StringComparison.Ordinal);
        scheduler.Kill();

        Assert.Equal(expected, await sampling);
        Assert.Contains($"127.0.0.1:{scheduler.Port} (scheduler) is down", third.Said, StringComparison.Ordinal);
        Assert.DoesNotContain($"127.0.0.1:{drained.Port} (decoder) is down", third.Said, StringComparison.Ordinal);
    }
}
