using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// The name of a cluster, which keeps a process from joining a stranger's by its address. Members carry theirs as an Akka
/// role, so that everybody sees it.
/// </summary>
internal static class ClusterName
{
    private const string Prefix = "cluster-";

    /// <summary>The role that says a name.</summary>
    public static string RoleOf(string name) => Prefix + name;

    /// <summary>The name that a member says; null for none.</summary>
    public static string? Of(Member member) =>
        member.Roles.FirstOrDefault(role => role.StartsWith(Prefix, StringComparison.Ordinal))?[Prefix.Length..];

    /// <summary>Refuses a cluster in which a member says another name than this process.</summary>
    /// <exception cref="ConfigurationException">Names that member and its cluster.</exception>
    public static void RequireSame(ActorSystem system, string name)
    {
        if (name.Length == 0)
            return;
        foreach (var member in Cluster.Get(system).State.Members)
        {
            if (Of(member) is { } other && other != name)
            {
                throw new ConfigurationException(
                    $"{Hosts.AddressOf(member.Address)} is of the cluster '{other}', and rollout.cluster.name is '{name}':"
                    + " name your own cluster's rollout.cluster.seed-nodes, or start it at other ports");
            }
        }
    }
}
