using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// Groups that clients keep because enough is waiting, in the order in which they came. Each is called when there is room
/// for it; nothing overtakes it, however large it is.
/// </summary>
/// <param name="now">The time.</param>
internal sealed class RoomLine(Func<TimeSpan> now)
{
    /// <summary>How long a client may take to send a group that was called: one that doesn't loses its place.</summary>
    private static readonly TimeSpan CallTime = TimeSpan.FromSeconds(15);

    private readonly Dictionary<GroupId, Place> _places = [];
    private readonly LinkedList<Place> _line = [];          // not called yet, the oldest first
    private readonly LinkedList<Place> _called = [];        // and not sent yet, the oldest call first
    private readonly List<GroupId> _toCall = [];

    /// <summary>No group is in line, and none that was called is still to come.</summary>
    public bool IsEmpty => _places.Count == 0;

    /// <summary>Sequences of groups that were called and have not come.</summary>
    public long Promised { get; private set; }

    public bool Contains(GroupId id) => _places.ContainsKey(id);

    public bool IsCalled(GroupId id) => _places.TryGetValue(id, out var place) && place.Node.List == _called;

    /// <summary>Gives an offered group a place at the end, unless it has one.</summary>
    public void Offer(OfferedGroup offered)
    {
        if (IsCalled(offered.Id))
            Call(offered.Id);       // the client has not heard of the call
        else if (_places.TryAdd(offered.Id, new Place(offered, now())))
            _line.AddLast(_places[offered.Id].Node);
    }

    /// <summary>Removes a group that has come, or is not wanted any more.</summary>
    public void Remove(GroupId id)
    {
        if (!_places.Remove(id, out var place))
            return;
        Promised -= place.Node.List == _called ? place.Group.Samples : 0;
        place.Node.List!.Remove(place.Node);
    }

    /// <summary>Calls a group, whether or not there is room.</summary>
    public void Call(GroupId id)
    {
        var place = _places[id];
        Promised += place.Node.List == _called ? 0 : place.Group.Samples;
        place.Node.List!.Remove(place.Node);
        _called.AddLast(place.Node);
        place.CalledAt = now();
        _toCall.Add(id);
    }

    /// <summary>Calls the oldest groups once half of the room is free, as many as it holds.</summary>
    /// <param name="waiting">Sequences that wait for a decoder.</param>
    /// <param name="capacity">Sequences that may wait. A single group may be larger.</param>
    /// <returns>Groups that were called since the last call of this method.</returns>
    public IReadOnlyList<GroupId> TakeCalled(long waiting, double capacity)
    {
        if (waiting + Promised <= capacity / 2)
        {
            while (_line.First is { Value: var oldest }
                && (waiting + Promised == 0 || waiting + Promised + oldest.Group.Samples <= capacity))
            {
                Call(oldest.Group.Id);
            }
        }
        if (_toCall.Count == 0)
            return [];
        var called = _toCall.ToArray();
        _toCall.Clear();
        return called;
    }

    /// <summary>Groups that have been in line since then or earlier: they lose their places.</summary>
    public IReadOnlyList<GroupId> DropOfferedBefore(TimeSpan time)
    {
        GroupId[] dropped = [.. _line.TakeWhile(place => place.OfferedAt <= time).Select(place => place.Group.Id)];
        Array.ForEach(dropped, Remove);
        return dropped;
    }

    /// <summary>Groups that were called long ago, and that their clients have not sent: they lose their places.</summary>
    public IReadOnlyList<GroupId> DropLate()
    {
        var late = new List<GroupId>();
        while (_called.First is { Value: var oldest } && now() - oldest.CalledAt > CallTime)
        {
            late.Add(oldest.Group.Id);
            Remove(oldest.Group.Id);
        }
        return late;
    }

    private sealed class Place
    {
        public Place(OfferedGroup group, TimeSpan offeredAt)
        {
            OfferedAt = offeredAt;
            Group = group with { Samples = Math.Max(group.Samples, 1) };
            Node = new LinkedListNode<Place>(this);
        }

        public OfferedGroup Group { get; }

        /// <summary>Its node in the line, or among those that were called.</summary>
        public LinkedListNode<Place> Node { get; }

        public TimeSpan OfferedAt { get; }

        public TimeSpan CalledAt { get; set; }
    }
}
