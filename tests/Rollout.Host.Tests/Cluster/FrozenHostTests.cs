using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>A process that was stopped for so long that the others went on without it.</summary>
public sealed class FrozenHostTests(ITestOutputHelper log) : HostProcessTest(log)
{
    [Fact]
    public async Task One_that_was_frozen_and_given_up_ends_when_it_thaws_and_has_changed_nothing()
    {
        var expected = await AloneAsync();
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]", Impatient);
        var hosts = await Task.WhenAll(
            StartAsync("decoder.conf", Seed(scheduler), Impatient), StartAsync("decoder.conf", Seed(scheduler), Impatient));
        await scheduler.WaitForAsync("3 members: 1 scheduler, 2 decoders");

        var sampling = SampleAsync("disturbed", $"127.0.0.1:{scheduler.Port}");
        await GrowingFile.ReachesAsync(Folder.Path, "disturbed*", bytes: 1);
        await hosts[0].FreezeAsync();
        await scheduler.WaitForAsync($"127.0.0.1:{hosts[0].Port} (decoder) is down");
        await hosts[0].ThawAsync();

        Assert.Equal(ExitCodes.Failure, await hosts[0].ExitAsync());
        Assert.Contains("the cluster gave up 127.0.0.1:", hosts[0].Said, StringComparison.Ordinal);
        Assert.Equal(expected, await sampling);
    }
}
