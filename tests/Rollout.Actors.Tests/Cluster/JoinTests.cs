using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Xunit;
using AkkaCluster = Akka.Cluster.Cluster;
using ClusterSettings = Rollout.Actors.Settings.ClusterSettings;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>What a process that can't be a member is told, in one sentence, and that the cluster is none the worse.</summary>
[Collection(ClusterCollection.Name)]
public sealed class JoinTests : IAsyncLifetime
{
    private readonly InProcessCluster _cluster = new();
    private RolloutTopology _first = null!;

    public async Task InitializeAsync() => _first = await _cluster.StartAsync(ClusterRoles.Scheduler);

    public async Task DisposeAsync() => await _cluster.DisposeAsync();

    [Fact]
    public async Task An_address_that_nobody_answers_at_is_named()
    {
        var nobody = InProcessCluster.FreeAddresses(1)[0];
        var settings = With(ClusterRoles.Client, cluster => cluster with { SeedNodes = [nobody] });

        await AssertRefusedAsync(
            settings, $"nobody answers at rollout.cluster.seed-nodes: {nobody} (ConnectionRefused)");
    }

    [Fact]
    public async Task A_process_without_seed_nodes_that_is_out_of_time_says_so_in_one_sentence()
    {
        var settings = With(ClusterRoles.Scheduler, cluster => cluster with { SeedNodes = [], JoinTimeout = TimeSpan.Zero });

        var refused = await Assert.ThrowsAsync<MembershipException>(() => _cluster.StartAsync(settings));
        Assert.Equal(
            "this process took longer than 0 s (rollout.cluster.join-timeout) to begin a cluster of its own", refused.Message);
    }

    [Theory]
    [InlineData(ClusterRoles.Decoder)]
    [InlineData(ClusterRoles.Trainer)]
    public async Task A_host_that_started_before_its_cluster_waits_for_it_and_gives_up_at_its_deadline(string role)
    {
        var nobody = InProcessCluster.FreeAddresses(1)[0];
        var settings = With(
            role,
            cluster => cluster with { SeedNodes = [nobody], JoinTimeout = TimeSpan.FromSeconds(1) });

        // And may be started again: it is not its settings that are wrong.
        var refused = await Assert.ThrowsAsync<MembershipException>(
            () => RolloutTopology.StartAsync(settings, InProcessCluster.Fast, waits: true));
        Assert.Equal($"nobody answers at rollout.cluster.seed-nodes: {nobody} (ConnectionRefused)", refused.Message);
    }

    [Fact]
    public async Task Somebody_who_answers_and_is_no_member_is_named_too()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var stranger = InProcessCluster.AddressOf(listener.Server);
        var settings = With(
            ClusterRoles.Client,
            cluster => cluster with { SeedNodes = [stranger], JoinTimeout = TimeSpan.FromSeconds(1) });

        var refused = await Assert.ThrowsAsync<MembershipException>(() => _cluster.StartAsync(settings));

        Assert.Equal($"{stranger} (rollout.cluster.seed-nodes) did not let this process join within 1 s", refused.Message);
    }

    [Fact]
    public async Task An_akka_section_with_which_no_transport_starts_ends_the_start_at_a_deadline()
    {
        var settings = With(ClusterRoles.Decoder, cluster => cluster with { JoinTimeout = TimeSpan.FromSeconds(1) });

        var refused = await Assert.ThrowsAsync<MembershipException>(() => RolloutTopology.StartAsync(
            settings,
            InProcessCluster.Fast + "\nakka.remote.dot-netty.tcp.applied-adapters = [nobody]\nakka.remote.startup-timeout = 1s"));

        Assert.Contains("could not open its port within akka.remote.startup-timeout", refused.Message);
        Assert.Contains("akka section", refused.Message);
    }

    [Fact]
    public async Task A_port_that_another_host_has_is_named() => await AssertRefusedAsync(
        With(ClusterRoles.Decoder, cluster => cluster with { Port = _first.Address.Port }),
        $"rollout.cluster.port = {_first.Address.Port}: another process listens at {_first.Address}");

    [Fact]
    public async Task A_host_name_of_another_machine_is_named() => await AssertRefusedAsync(
        With(ClusterRoles.Decoder, cluster => cluster with { Hostname = "192.0.2.1", InsecureNetwork = true }),
        "rollout.cluster.hostname = \"192.0.2.1\": expected an address of this machine");

    [Fact]
    public async Task A_cluster_of_another_name_is_named_and_left_alone()
    {
        await using var theirs = new InProcessCluster { Name = "theirs" };
        var scheduler = await theirs.StartAsync(ClusterRoles.Scheduler);
        theirs.Name = "mine";

        var refused = await Assert.ThrowsAsync<ConfigurationException>(() => theirs.StartAsync(ClusterRoles.Decoder));

        Assert.StartsWith(
            $"{scheduler.Address} is of the cluster 'theirs', and rollout.cluster.name is 'mine': ", refused.Message,
            StringComparison.Ordinal);
        Assert.Null(scheduler.WhyEnded());
        // Who has no name of its own joins, and says where it is.
        theirs.Name = "";
        var tape = new LineTape();
        await theirs.StartAsync(tape.Say, ClusterRoles.Decoder);
        await tape.WaitForAsync("is up; cluster 'theirs', ");
    }

    [Fact]
    public async Task A_second_trainer_is_sent_away()
    {
        var trainer = await _cluster.StartAsync(ClusterRoles.Trainer);

        await AssertRefusedAsync(
            _cluster.Settings(ClusterRoles.Trainer),
            $"{trainer.Address} trains in this cluster: expected no other member of the role trainer");
    }

    [Fact]
    public async Task A_trainer_takes_the_place_of_one_that_died()
    {
        var before = await _cluster.StartAsync(ClusterRoles.Trainer);
        InProcessCluster.Crash(before);

        var after = await _cluster.StartAsync(ClusterRoles.Trainer);

        Assert.NotEqual(before.Address, after.Address);
    }

    [Fact]
    public async Task Who_is_given_up_while_joining_starts_over_at_once()
    {
        var seen = new ConcurrentQueue<UniqueAddress>();
        _first.System.ActorOf(Props.Create(() => new DownsTheFirst(seen)));
        var tape = new LineTape();

        await using var joined = await _cluster.StartAsync(_cluster.Settings(ClusterRoles.Client), tape.Say);

        Assert.Contains("the cluster gave this process up while it joined: joining again", tape.Lines);
        var (gone, there) = Assert.Single(seen.Zip(seen.Skip(1)));
        Assert.NotEqual(gone, there);
        Assert.Equal(there, AkkaCluster.Get(joined.System).SelfUniqueAddress);
        Assert.Null(joined.WhyEnded());
    }

    [Fact]
    public async Task A_cluster_without_a_scheduler_is_said_to_have_none()
    {
        await using var other = new InProcessCluster();
        await other.StartAsync(ClusterRoles.Decoder);
        var settings = other.Settings(ClusterRoles.Client);

        var refused = await Assert.ThrowsAsync<MembershipException>(() => other.StartAsync(
            settings with { Barrier = settings.Barrier with { Timeout = TimeSpan.FromSeconds(1) } }));

        Assert.Equal(
            "no scheduler answered within 1 s: expected a member with the role scheduler in the cluster", refused.Message);
    }

    [Fact]
    public async Task The_akka_section_opens_no_port_that_the_cluster_section_keeps_closed()
    {
        await using var open = new InProcessCluster("akka.remote.dot-netty.tcp.bind-hostname = \"0.0.0.0\"");

        var refused = await Assert.ThrowsAsync<ConfigurationException>(() => open.StartAsync(ClusterRoles.Scheduler));

        Assert.StartsWith("akka.remote.dot-netty.tcp.bind-hostname = \"0.0.0.0\": expected a loopback", refused.Message);
    }

    private async Task AssertRefusedAsync(RolloutSettings settings, string sentence)
    {
        var refused = await Assert.ThrowsAsync<ConfigurationException>(() => _cluster.StartAsync(settings));

        Assert.Equal(sentence, refused.Message);
        Assert.Null(_first.WhyEnded());
    }

    private RolloutSettings With(string role, Func<ClusterSettings, ClusterSettings> change)
    {
        var settings = _cluster.Settings(role);
        return settings with { Cluster = change(settings.Cluster) };
    }

    /// <summary>Gives up the first member that joins, before it is up.</summary>
    private sealed class DownsTheFirst : ReceiveActor
    {
        private readonly AkkaCluster _cluster = AkkaCluster.Get(Context.System);

        public DownsTheFirst(ConcurrentQueue<UniqueAddress> joined) => Receive<ClusterEvent.MemberJoined>(joining =>
        {
            if (joined.IsEmpty)
                _cluster.Down(joining.Member.Address);
            joined.Enqueue(joining.Member.UniqueAddress);
        });

        protected override void PreStart() =>
            _cluster.Subscribe(Self, ClusterEvent.InitialStateAsEvents, typeof(ClusterEvent.MemberJoined));
    }
}
