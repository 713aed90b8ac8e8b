using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>Converts Akka's addresses to the product's.</summary>
public static class Hosts
{
    /// <summary>The process at this address, and no later one at the same address.</summary>
    public static HostId IdOf(UniqueAddress member) => new(AddressOf(member.Address).ToString(), member.Uid);

    /// <summary>Where an actor of another member is that has this name below /user.</summary>
    public static ActorSelection Find(ActorSystem system, HostId host, string name)
    {
        if (!NodeAddress.TryParse(host.Address, out var address))
            throw new ArgumentException($"'{host.Address}' is not the address of a member", nameof(host));
        var there = Akka.Cluster.Cluster.Get(system).SelfAddress.WithHost(address.Host).WithPort(address.Port);
        return system.ActorSelection(new RootActorPath(there) / "user" / name);
    }

    public static NodeAddress AddressOf(Address address) => new(address.Host, address.Port ?? 0);
}
