using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.Remote.Transport.DotNetty;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>The configuration that Akka starts with: the product's, the job's akka section over it, and TLS.</summary>
internal static class ClusterConfiguration
{
    private const string Transport = "akka.remote.dot-netty.tcp";

    /// <summary>Merges the product's configuration with the job's own.</summary>
    /// <exception cref="Settings.ConfigurationException">
    /// The akka section opens a port to other machines that the cluster section keeps closed.
    /// </exception>
    public static Config Of(ClusterSettings settings, string akka)
    {
        var config = ConfigurationFactory.ParseString(akka)
            .WithFallback(Addressed(settings))
            .WithFallback(ConfigurationFactory.FromResource<RolloutTopology>("akka.conf"))
            .WithFallback(ClusterSingleton.DefaultConfig());
        RequireClosed(settings, config);
        return config;
    }

    /// <summary>The address to listen at: the member's own, unless the akka section sets another.</summary>
    public static (string Host, int Port) ListeningAt(Config config)
    {
        var host = config.GetString($"{Transport}.bind-hostname", "");
        var port = config.GetString($"{Transport}.bind-port", "");
        return (
            host.Length > 0 ? host : config.GetString($"{Transport}.hostname", ""),
            port.Length > 0 ? config.GetInt($"{Transport}.bind-port") : config.GetInt($"{Transport}.port"));
    }

    /// <summary>Adds TLS to the configuration.</summary>
    public static ActorSystemSetup Setup(Config config, ClusterCertificates? certificates)
    {
        var bootstrap = BootstrapSetup.Create().WithConfig(config);
        if (certificates is null)
            return ActorSystemSetup.Create(bootstrap);
        return ActorSystemSetup.Create(
            bootstrap,
            new DotNettySslSetup(
                certificates.Own,
                suppressValidation: false,
                requireMutualAuthentication: true,
                customValidator: (peer, _, _, _, _) => certificates.Trust(peer)));
    }

    /// <summary>Converts an address to Akka's, whose protocol has another name with TLS.</summary>
    public static Address ToAkka(NodeAddress node, ClusterSettings settings) => new(
        settings.Tls is null ? "akka.tcp" : "akka.ssl.tcp", RolloutTopology.SystemName, node.Host, node.Port);

    private static Config Addressed(ClusterSettings settings) => ConfigurationFactory.ParseString(
        $$"""
        akka.remote.dot-netty.tcp.hostname = "{{settings.Hostname}}"
        akka.remote.dot-netty.tcp.port = {{settings.Port}}
        akka.remote.dot-netty.tcp.enable-ssl = {{(settings.Tls is null ? "off" : "on")}}
        akka.cluster.roles = [{{string.Join(", ", RolesOf(settings))}}]
        akka.cluster.shutdown-after-unsuccessful-join-seed-nodes = off
        """);

    private static IEnumerable<string> RolesOf(ClusterSettings settings) =>
        settings.Name.Length == 0 ? settings.Roles : settings.Roles.Append(ClusterName.RoleOf(settings.Name));

    private static void RequireClosed(ClusterSettings settings, Config config)
    {
        if (settings.Tls is not null || settings.InsecureNetwork)
            return;
        foreach (var key in (string[])["hostname", "bind-hostname"])
        {
            var host = config.GetString($"{Transport}.{key}", "");
            if (host.Length > 0 && !NodeAddress.IsLoopbackHost(host))
            {
                throw new Settings.ConfigurationException(
                    $"{Transport}.{key} = \"{host}\": expected a loopback address without"
                    + " rollout.cluster.tls, unless rollout.cluster.insecure-network = on");
            }
        }
    }
}
