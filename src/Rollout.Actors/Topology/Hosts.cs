using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>Members of the cluster in the product's own words.</summary>
public static class Hosts
{
    /// <summary>The process at this address, and no other that takes it later.</summary>
    public static HostId IdOf(UniqueAddress member) => new(AddressOf(member.Address).ToString(), member.Uid);

    public static NodeAddress AddressOf(Address address) => new(address.Host, address.Port ?? 0);
}
