using Rollout.Host.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>
/// The product's own settings, with deaths, and a failure detector that is slower than a busy machine: what tells a death is
/// the connection that the process leaves.
/// </summary>
public sealed class RecoveryTests(ITestOutputHelper log) : HostProcessTest(log)
{
    // More than the job can do before the second death is acted on; the processes are killed at the end.
    protected override int PromptCount => 6000;

    [Fact]
    public async Task A_killed_process_is_down_before_it_is_unreachable_and_its_work_goes_on()
    {
        var scheduler = await HostAsync("scheduler.conf", "cluster.seed-nodes=[]");
        var hosts = await Task.WhenAll(
            HostAsync("scheduler.conf", Seed(scheduler)), HostAsync("scheduler.conf", Seed(scheduler)),
            HostAsync("decoder.conf", Seed(scheduler)), HostAsync("decoder.conf", Seed(scheduler)));
        var (next, decoder) = (hosts[0], hosts[2]);
        await scheduler.WaitForAsync("5 members: 3 schedulers, 2 decoders");
        var addresses = $"127.0.0.1:{next.Port},127.0.0.1:{hosts[1].Port}";
        Keep(HostProcess.Run(Generate("disturbed", TinyModel.Source, addresses)));
        await GrowingFile.ReachesAsync(Folder.Path, "disturbed*", bytes: 1);

        decoder.Kill();
        await AssertDownFirstAsync(next, $"127.0.0.1:{decoder.Port} (decoder)");
        await next.WaitForAsync($"127.0.0.1:{decoder.Port} (decoder) is gone");

        scheduler.Kill();
        await AssertDownFirstAsync(next, $"127.0.0.1:{scheduler.Port} (scheduler)");
        var written = Directory.GetFiles(Folder.Path, "disturbed*.part").Sum(file => new FileInfo(file).Length);
        await GrowingFile.ReachesAsync(Folder.Path, "disturbed*.part", bytes: written + 1);
    }

    private static async Task AssertDownFirstAsync(HostProcess witness, string member)
    {
        await witness.WaitForAsync($"{member} is down");
        var lines = witness.Said.Split('\n');
        var down = Array.FindIndex(lines, line => line.Contains($"{member} is down", StringComparison.Ordinal));
        Assert.DoesNotContain(lines[..down], line => line.Contains($"{member} is unreachable", StringComparison.Ordinal));
    }

    private async Task<HostProcess> HostAsync(string config, params string[] settings) =>
        Keep(await HostProcess.StartAsync(
            config,
            ["cluster.port=0", "akka.cluster.failure-detector.acceptable-heartbeat-pause=10s", .. settings]));
}
