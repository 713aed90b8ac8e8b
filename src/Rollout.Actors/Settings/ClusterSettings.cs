using System.Text.RegularExpressions;

namespace Rollout.Actors.Settings;

/// <summary>The section <c>cluster</c>.</summary>
public sealed partial record ClusterSettings
{
    /// <summary>None twice. Empty where seed nodes are named and roles are not: the command knows its own.</summary>
    public required IReadOnlyList<string> Roles { get; init; }

    /// <summary>Loopback, unless TLS is on or the configuration says that the network may be open.</summary>
    public required string Hostname { get; init; }

    /// <summary>0 takes any free port.</summary>
    public required int Port { get; init; }

    /// <summary>Empty: a cluster of its own.</summary>
    public required IReadOnlyList<NodeAddress> SeedNodes { get; init; }

    public required TimeSpan JoinTimeout { get; init; }

    /// <summary>How long the cluster may be without a scheduler.</summary>
    public required TimeSpan SchedulerTimeout { get; init; }

    /// <summary>Empty takes the configuration's device.</summary>
    public required IReadOnlyList<string> Devices { get; init; }

    /// <summary>Null without TLS.</summary>
    public required TlsSettings? Tls { get; init; }

    /// <summary>Other machines may reach an unprotected port.</summary>
    public required bool InsecureNetwork { get; init; }

    /// <summary>"127.0.0.1:4053" as it was configured; the port may still be 0.</summary>
    public NodeAddress Address => new(Hostname, Port);

    /// <exception cref="ConfigurationException">A value can't be used.</exception>
    public static ClusterSettings From(ConfigSection section)
    {
        var seeds = SeedNodesOf(section);
        var settings = new ClusterSettings
        {
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
        if (Uri.CheckHostName(settings.Hostname) == UriHostNameType.Unknown)
            throw section.Invalid("hostname", "a host name or an IP address");
        // Without TLS whoever reaches the port joins, and a member may do anything.
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
        if (!roles.All(role => role is ClusterRoles.Scheduler or ClusterRoles.Decoder or ClusterRoles.Trainer) || HasTwins(roles))
        {
            throw section.Invalid(
                "roles", $"a list of {ClusterRoles.Scheduler}, {ClusterRoles.Decoder} or {ClusterRoles.Trainer}, each at most once");
        }
        return roles.Count == 0 && alone ? [ClusterRoles.Scheduler, ClusterRoles.Decoder, ClusterRoles.Trainer] : roles;
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

    [GeneratedRegex(@"\A(cpu|cuda:[0-9]{1,3})\z")]
    private static partial Regex OneDevice();
}
