using System.Text.RegularExpressions;

namespace Rollout.Actors.Settings;

/// <summary>The section <c>cluster</c>: this process as a member of a cluster.</summary>
public sealed partial record ClusterSettings
{
    /// <summary>The cluster's name, which its members agree about; "" joins any.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// The roles, each once. Empty where the configuration names seed nodes but no roles: the command adds its own.
    /// </summary>
    public required IReadOnlyList<string> Roles { get; init; }

    /// <summary>The address to listen at. Other machines reach it only with TLS or insecure-network.</summary>
    public required string Hostname { get; init; }

    /// <summary>The port to listen at; 0 takes any free port.</summary>
    public required int Port { get; init; }

    /// <summary>Members to join; empty for a cluster of its own.</summary>
    public required IReadOnlyList<NodeAddress> SeedNodes { get; init; }

    /// <summary>The time to join the cluster.</summary>
    public required TimeSpan JoinTimeout { get; init; }

    /// <summary>The time that this member waits for a scheduler before it ends.</summary>
    public required TimeSpan SchedulerTimeout { get; init; }

    /// <summary>The devices that get a decoder each; empty takes the configuration's device.</summary>
    public required IReadOnlyList<string> Devices { get; init; }

    /// <summary>Null without TLS.</summary>
    public required TlsSettings? Tls { get; init; }

    /// <summary>Allow other machines without TLS.</summary>
    public required bool InsecureNetwork { get; init; }

    /// <summary>The address as it is configured; its port may be 0.</summary>
    public NodeAddress Address => new(Hostname, Port);

    /// <exception cref="ConfigurationException">A value can't be used.</exception>
    public static ClusterSettings From(ConfigSection section)
    {
        var seeds = SeedNodesOf(section);
        var settings = new ClusterSettings
        {
            Name = section.Text("name"),
            Roles = RolesOf(section, alone: seeds.Count == 0),
            Hostname = section.NonEmptyText("hostname"),
            Port = section.Whole("port", Bounds.Between(0, 65535)),
            SeedNodes = seeds,
            JoinTimeout = section.Duration("join-timeout"),
            SchedulerTimeout = section.Duration("scheduler-timeout"),
            Devices = DevicesOf(section),
            Tls = TlsSettings.From(section.Section("tls")),
            InsecureNetwork = section.Bool("insecure-network"),
        };
        if (!PlainName().IsMatch(settings.Name))
            throw section.Invalid("name", "at most 40 letters, digits and hyphens");
        if (Uri.CheckHostName(settings.Hostname) == UriHostNameType.Unknown)
            throw section.Invalid("hostname", "a host name or an IP address");
        // Without TLS, anybody who reaches the port can join, and a member may do anything.
        if (settings.Tls is null && !settings.InsecureNetwork && !NodeAddress.IsLoopbackHost(settings.Hostname))
        {
            throw section.Invalid(
                "hostname", "127.0.0.1 or another loopback address without cluster.tls, unless insecure-network = on");
        }
        return settings;
    }

    private static IReadOnlyList<string> RolesOf(ConfigSection section, bool alone)
    {
        var roles = section.Texts("roles");
        string[] all = [ClusterRoles.Scheduler, ClusterRoles.Decoder, ClusterRoles.Trainer];
        if (roles.Except(all).Any() || HasTwins(roles))
            throw section.Invalid("roles", $"a list of {all[0]}, {all[1]} or {all[2]}, each at most once");
        return roles.Count == 0 && alone ? all : roles;
    }

    private static List<NodeAddress> SeedNodesOf(ConfigSection section)
    {
        var seeds = new List<NodeAddress>();
        foreach (var text in section.Texts("seed-nodes"))
        {
            seeds.Add(NodeAddress.TryParse(text, out var seed)
                ? seed
                : throw section.Invalid("seed-nodes", $"a list of \"host:port\", and '{text}' is none"));
        }
        return HasTwins(seeds) ? throw section.Invalid("seed-nodes", "each address once") : seeds;
    }

    private static IReadOnlyList<string> DevicesOf(ConfigSection section)
    {
        var devices = section.Texts("devices");
        return devices.All(device => OneDevice().IsMatch(device)) && !HasTwins(devices)
            ? devices
            : throw section.Invalid("devices", "a list of cpu or cuda:N, each at most once");
    }

    private static bool HasTwins<T>(IReadOnlyList<T> values) => values.Distinct().Count() < values.Count;

    [GeneratedRegex(@"\A[A-Za-z0-9-]{0,40}\z")]
    private static partial Regex PlainName();

    [GeneratedRegex(@"\A(cpu|cuda:[0-9]{1,3})\z")]
    private static partial Regex OneDevice();
}
