using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology.Downing;

/// <summary>The connection between two members, whichever of them is named first.</summary>
public readonly record struct Link
{
    private Link(HostId first, HostId second) => (First, Second) = (first, second);

    public HostId First { get; }

    public HostId Second { get; }

    public static Link Between(HostId one, HostId other) =>
        (string.CompareOrdinal(one.Address, other.Address), one.Uid.CompareTo(other.Uid)) is ( < 0, _) or (0, < 0)
            ? new Link(one, other)
            : new Link(other, one);
}
