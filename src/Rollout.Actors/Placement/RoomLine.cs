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
    /// <summary>How long a client may take to send a group that was called.</summary>
    private static readonly TimeSpan CallTime = TimeSpan.FromSeconds(15);

    /// <summary>How long a client that took longer gets no place; twice as long each time.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(15);

    private const int MostDoublings = 6;

    private readonly Dictionary<GroupId, Place> _places = [];
    private readonly LinkedList<Place> _line = [];          // not called yet, the oldest first
    private readonly LinkedList<Place> _called = [];        // and not sent yet, the oldest call first
    private readonly List<GroupId> _toCall = [];
    private readonly Dictionary<int, LateClient> _late = [];

    /// <summary>No group is in line, and none that was called is still to come.</summary>
    public bool IsEmpty => _places.Count == 0;

    /// <summary>Sequences of groups that were called and have not come.</summary>
    public long Promised { get; private set; }

    public bool Contains(GroupId id) => _places.ContainsKey(id);

    public bool IsCalled(GroupId id) => _places.TryGetValue(id, out var place) && place.Node.List == _called;

    /// <summary>Gives an offered group a place at the end, unless it has one or its client has to pause.</summary>
    public void Offer(OfferedGroup offered)
    {
        if (IsCalled(offered.Id))
            Call(offered.Id);       // the client has not heard of the call
        else if (!_late.TryGetValue(offered.Id.Client, out var late) || now() >= late.PausesUntil)
            Add(offered);
    }

    /// <summary>Calls an offered group, whether or not there is room and its client has to pause.</summary>
    public void OfferAndCall(OfferedGroup offered)
    {
        Add(offered);
        Call(offered.Id);
    }

    /// <summary>Removes a group that has come. Its client is forgiven one that did not.</summary>
    public void Take(GroupId id)
    {
        if (IsCalled(id) && _late.TryGetValue(id.Client, out var late) && --late.Times == 0)
            _late.Remove(id.Client);
        Remove(id);
    }

    /// <summary>Removes a group that is not wanted any more.</summary>
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
        _toCall.Add(id);
        var place = _places[id];
        if (place.Node.List == _called)
            return;     // its time goes on: a client that asks and asks holds room no longer than others
        Promised += place.Group.Samples;
        _line.Remove(place.Node);
        _called.AddLast(place.Node);
        place.CalledAt = now();
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

    /// <summary>
    /// Groups that lose their places: all of a client that has not sent one that was called. It gets others, at the end of
    /// the line, after a pause, so that the room goes to those that use it.
    /// </summary>
    public IReadOnlyList<GroupId> DropLate()
    {
        var time = now();
        var clients = _called.TakeWhile(place => time - place.CalledAt > CallTime).Select(place => place.Group.Id.Client).ToHashSet();
        if (clients.Count == 0)
            return [];
        foreach (var gone in _late.Where(late => time > late.Value.PausesUntil + (FirstPause * (1 << MostDoublings))).ToArray())
            _late.Remove(gone.Key);
        foreach (var client in clients)
        {
            if (!_late.TryGetValue(client, out var late))
                _late.Add(client, late = new LateClient());
            late.PausesUntil = time + (FirstPause * (1 << Math.Min(late.Times++, MostDoublings)));
        }
        GroupId[] dropped = [.. _places.Keys.Where(id => clients.Contains(id.Client))];
        Array.ForEach(dropped, Remove);
        return dropped;
    }

    private void Add(OfferedGroup offered)
    {
        if (_places.TryAdd(offered.Id, new Place(offered, now())))
            _line.AddLast(_places[offered.Id].Node);
    }

    /// <summary>A client that was called and sent nothing.</summary>
    private sealed class LateClient
    {
        /// <summary>How often, less the groups that it has sent in time since.</summary>
        public int Times { get; set; }

        public TimeSpan PausesUntil { get; set; }
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
