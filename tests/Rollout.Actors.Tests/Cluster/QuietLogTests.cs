using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>A healthy cluster logs no error, and no warning.</summary>
[Collection(ClusterCollection.Name)]
public sealed class QuietLogTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _authority;
    private readonly InProcessCluster _cluster = new(LogTape.Akka);

    public QuietLogTests() => _authority = new TestAuthority(_folder, "own");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _cluster.DisposeAsync();
        _authority.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Probes_of_a_seed_node_and_members_that_come_and_go_leave_nothing_in_its_log(bool hasTls)
    {
        _cluster.Tls = hasTls ? _authority.Issue() : null;
        var seed = await _cluster.StartAsync(ClusterRoles.Scheduler);
        var tape = new LogTape(seed);
        var decoder = await _cluster.StartAsync(ClusterRoles.Decoder);
        using var certificates = ClusterCertificates.Load(_cluster.Tls);
        var probe = new SeedProbe(_cluster.Settings(ClusterRoles.Client).Cluster, certificates);

        Assert.Equal(SeedProbe.Answer.Ready, (await probe.AskAsync(seed.Address, thorough: false)).Kind);
        Assert.Equal(SeedProbe.Answer.Ready, (await probe.AskAsync(seed.Address, thorough: true)).Kind);
        Assert.False(await FastDown.RefusesAsync(Akka.Cluster.Cluster.Get(seed.System).SelfAddress, certificates));
        await decoder.DisposeAsync();
        await (await _cluster.StartAsync(ClusterRoles.Client)).DisposeAsync();

        // A busy machine delays heartbeats, and Akka is right to say so.
        Assert.DoesNotContain(tape.Lines, line => !line.Contains("heartbeat was delayed", StringComparison.Ordinal));
    }
}
