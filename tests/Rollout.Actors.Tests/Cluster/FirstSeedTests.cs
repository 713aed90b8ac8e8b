using System.Net;
using System.Net.Sockets;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Xunit;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>
/// The first seed node begins a cluster where each of the others says that there is none, and nowhere else: two clusters
/// of one list never meet.
/// </summary>
[Collection(ClusterCollection.Name)]
public sealed class FirstSeedTests : IAsyncLifetime
{
    private readonly InProcessCluster _cluster = new();
    private readonly LineTape _tape = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _cluster.DisposeAsync();

    [Fact]
    public async Task Where_the_machines_of_all_others_refuse_it_begins()
    {
        var seeds = InProcessCluster.FreeAddresses(3);

        var first = await _cluster.StartSeedAsync(seeds[0], seeds, _tape.Say);

        Assert.Equal([seeds[0]], MembersOf(first));
        Assert.DoesNotContain(_tape.Lines, line => line.StartsWith("no answer from", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Where_others_run_and_are_members_of_nothing_it_begins_and_they_join()
    {
        var seeds = InProcessCluster.FreeAddresses(3);
        var settings = _cluster.SeedSettings(seeds[1], seeds).Cluster;
        var second = new ClusterJoin(settings, certificates: null, say: null);
        var system = await second.OpenAsync(InProcessCluster.Fast);

        await _cluster.StartSeedAsync(seeds[0], seeds, _tape.Say);
        await second.JoinAsync(system);
        await _tape.WaitForAsync($"{seeds[1]} (scheduler) is up; 2 members: 2 schedulers");

        await system.Terminate();
    }

    [Fact]
    public async Task A_first_seed_whose_peers_are_silent_begins_nothing_names_them_and_ends()
    {
        using var mute = Mute();
        using var deaf = Deaf();
        NodeAddress[] silent = [InProcessCluster.AddressOf(mute.Server), InProcessCluster.AddressOf(deaf)];
        var free = InProcessCluster.FreeAddresses(2);
        _cluster.JoinTimeout = TimeSpan.FromSeconds(4);

        var ended = await Assert.ThrowsAsync<MembershipException>(
            () => _cluster.StartSeedAsync(free[0], [free[0], .. silent, free[1]], _tape.Say));

        Assert.Equal(
            $"no answer within 4 s from {silent[0]} (takes connections and does not answer), {silent[1]} (no answer within 3 s):"
            + " they may be in a cluster that can't be reached from here; to start without them, remove them from"
            + " rollout.cluster.seed-nodes of this process",
            ended.Message);
        Assert.Contains(
            $"no answer from {silent[0]}, {silent[1]}: they may be in a cluster, so none is begun here yet", _tape.Lines);
        Assert.DoesNotContain(_tape.Lines, line => line.Contains("is up", StringComparison.Ordinal));
    }

    [Fact]
    public async Task While_some_are_silent_it_joins_the_cluster_of_the_first_that_answers()
    {
        using var mute = Mute();
        var silent = InProcessCluster.AddressOf(mute.Server);
        var seeds = InProcessCluster.FreeAddresses(2);
        var waiting = _cluster.StartSeedAsync(seeds[0], [seeds[0], seeds[1], silent], _tape.Say);
        await _tape.WaitForAsync($"no answer from {silent}: they may be in a cluster");

        var other = await _cluster.StartSeedAsync(seeds[1], [seeds[1]]);

        Assert.Equal(seeds.ToHashSet(), MembersOf(await waiting).ToHashSet());
        Assert.Null(other.WhyEnded());
    }

    private static IEnumerable<NodeAddress> MembersOf(RolloutTopology member) =>
        AkkaCluster.Get(member.System).State.Members.Select(other => Hosts.AddressOf(other.Address));

    /// <summary>Takes connections, as the machine of a stopped process does.</summary>
    private static TcpListener Mute()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return listener;
    }

    /// <summary>Answers nothing at all, as a machine beyond a cut does: the one connection that it has room for is taken.</summary>
    private static Socket Deaf()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(0);
        using var only = new TcpClient();
        only.Connect((IPEndPoint)socket.LocalEndPoint!);
        return socket;
    }
}
