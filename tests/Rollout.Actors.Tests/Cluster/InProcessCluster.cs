using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Topology;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>
/// Members of one cluster in this process: the product's own start, over loopback, with faster clocks. Only tests that cut
/// the network take silence for a death soon: a busy machine makes anybody silent for a while.
/// </summary>
/// <param name="akka">More configuration, in HOCON; wins over the faster clocks.</param>
internal sealed class InProcessCluster(string akka = "") : IAsyncDisposable
{
    public const string Fast =
        """
        akka {
          loglevel = OFF
          cluster {
            gossip-interval = 100ms
            leader-actions-interval = 100ms
            unreachable-nodes-reaper-interval = 100ms
            periodic-tasks-initial-delay = 100ms
            seed-node-timeout = 1s
            retry-unsuccessful-join-after = 500ms
            failure-detector { heartbeat-interval = 200ms, acceptable-heartbeat-pause = 10s }
            split-brain-resolver.stable-after = 1s
            down-removal-margin = 100ms
            singleton.hand-over-retry-interval = 100ms
          }
        }

        """;

    private readonly List<RolloutTopology> _members = [];

    /// <summary>The name of the members that are started next.</summary>
    public string Name { get; set; } = "";

    /// <summary>Of the members that are started next; null without TLS.</summary>
    public TlsSettings? Tls { get; set; }

    /// <summary>Of the members that are started next.</summary>
    public TimeSpan JoinTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Of the members that are started next.</summary>
    public TimeSpan SchedulerTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Of the members that are started next.</summary>
    public SchedulerSettings Scheduler { get; set; } = TestSettings.Scheduler;

    /// <summary>Starts a member; the first one is the seed of all.</summary>
    public Task<RolloutTopology> StartAsync(params string[] roles) => StartAsync(null, roles);

    /// <inheritdoc cref="StartAsync(string[])"/>
    public async Task<RolloutTopology> StartAsync(Action<string>? say, params string[] roles)
    {
        var member = await StartAsync(Settings(roles), say);
        _members.Add(member);
        return member;
    }

    /// <summary>What a member of these roles starts with.</summary>
    public RolloutSettings Settings(params string[] roles) => TestSettings.Rollout with
    {
        Scheduler = Scheduler,
        Cluster = TestSettings.Rollout.Cluster with
        {
            Name = Name,
            Roles = roles,
            SeedNodes = [.. _members.Take(1).Select(first => first.Address)],
            JoinTimeout = JoinTimeout,
            SchedulerTimeout = SchedulerTimeout,
            Tls = Tls,
        },
    };

    /// <summary>A start that may fail; the caller's to dispose of.</summary>
    /// <param name="settings">All of them.</param>
    /// <param name="say">Told who comes and goes.</param>
    /// <param name="more">More configuration of this member's, in HOCON.</param>
    public Task<RolloutTopology> StartAsync(RolloutSettings settings, Action<string>? say = null, string more = "") =>
        RolloutTopology.StartAsync(settings, Fast + akka + more, say: say);

    /// <summary>What a member starts with that is one of these seed nodes.</summary>
    public RolloutSettings SeedSettings(NodeAddress own, params NodeAddress[] seeds)
    {
        var settings = Settings(ClusterRoles.Scheduler);
        return settings with { Cluster = settings.Cluster with { Port = own.Port, SeedNodes = seeds } };
    }

    /// <summary>Starts one of these seed nodes.</summary>
    public async Task<RolloutTopology> StartSeedAsync(NodeAddress own, NodeAddress[] seeds, Action<string>? say = null)
    {
        var member = await StartAsync(SeedSettings(own, seeds), say);
        lock (_members)
            _members.Add(member);
        return member;
    }

    /// <summary>Addresses that nobody listens at: held together, so that they are different ones, and free again.</summary>
    public static NodeAddress[] FreeAddresses(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        Array.ForEach(listeners, listener => listener.Start());
        NodeAddress[] addresses = [.. listeners.Select(listener => AddressOf(listener.Server))];
        Array.ForEach(listeners, listener => listener.Dispose());
        return addresses;
    }

    public static NodeAddress AddressOf(Socket listening) =>
        new("127.0.0.1", ((IPEndPoint)listening.LocalEndPoint!).Port);

    /// <summary>Ends a member as kill -9 does: nobody is told, and its sockets are closed.</summary>
    public static void Crash(RolloutTopology member) => ((ExtendedActorSystem)member.System).Abort();

    /// <summary>Ends all at once: leaving in order would wait for members that have died to be removed.</summary>
    public async ValueTask DisposeAsync()
    {
        _members.ForEach(Crash);
        foreach (var member in _members)
        {
            await member.System.WhenTerminated;
            member.Certificates?.Dispose();
        }
    }
}
