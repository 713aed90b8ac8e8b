using System.Diagnostics;
using Rollout.Host.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>
/// The product's own settings, with deaths. Each bound is twice what is promised on a quiet machine and still less than
/// what the split-brain resolver's patience alone would take.
/// </summary>
public sealed class RecoveryTimeTests(ITestOutputHelper log) : HostProcessTest(log)
{
    private static readonly TimeSpan ActedOn = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan Removed = TimeSpan.FromSeconds(18);
    private static readonly TimeSpan TakenOver = TimeSpan.FromSeconds(18);

    protected override int PromptCount => 600;

    [Fact]
    public async Task A_killed_process_is_acted_on_at_once_and_a_killed_schedulers_work_goes_on_soon()
    {
        var scheduler = await HostAsync("scheduler.conf", "cluster.seed-nodes=[]");
        var hosts = await Task.WhenAll(
            HostAsync("scheduler.conf", Seed(scheduler)), HostAsync("scheduler.conf", Seed(scheduler)),
            HostAsync("decoder.conf", Seed(scheduler)), HostAsync("decoder.conf", Seed(scheduler)));
        var (next, decoder) = (hosts[0], hosts[2]);
        await scheduler.WaitForAsync("5 members: 3 schedulers, 2 decoders");
        var addresses = $"127.0.0.1:{next.Port},127.0.0.1:{hosts[1].Port}";
        Keep(HostProcess.Run(Generate("disturbed", TinyModel.Source, addresses)));
        await GrowingFile.ReachesAsync(Folder.Path, "disturbed*.part", bytes: 1);

        decoder.Kill();
        var since = Stopwatch.StartNew();
        await next.WaitForAsync($"127.0.0.1:{decoder.Port} (decoder) is down");
        Assert.InRange(since.Elapsed, TimeSpan.Zero, ActedOn);
        await next.WaitForAsync($"127.0.0.1:{decoder.Port} (decoder) is gone");
        Assert.InRange(since.Elapsed, TimeSpan.Zero, Removed);

        scheduler.Kill();
        since.Restart();
        await next.WaitForAsync($"127.0.0.1:{scheduler.Port} (scheduler) is down");
        Assert.InRange(since.Elapsed, TimeSpan.Zero, ActedOn);
        var written = Directory.GetFiles(Folder.Path, "disturbed*.part").Sum(file => new FileInfo(file).Length);
        await GrowingFile.ReachesAsync(Folder.Path, "disturbed*.part", bytes: written + 1);
        Assert.InRange(since.Elapsed, TimeSpan.Zero, TakenOver);
    }

    private async Task<HostProcess> HostAsync(string config, params string[] settings) =>
        Keep(await HostProcess.StartAsync(config, ["cluster.port=0", .. settings]));
}
