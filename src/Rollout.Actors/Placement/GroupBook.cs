using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>A group that is to be sent to a decoder.</summary>
public readonly record struct Assignment(DecoderId Decoder, GroupRequest Group, int Attempt);

/// <summary>
/// Who works on what: every submitted group is waiting or assigned to one living decoder until it is finished,
/// failed or cancelled. No two assignments have the same attempt, so an answer says which of them it is to.
/// </summary>
public sealed class GroupBook(PlacementPolicy policy)
{
    private readonly Dictionary<GroupId, Entry> _groups = [];
    private readonly Dictionary<DecoderId, DecoderLoad> _decoders = [];
    private readonly Dictionary<DecoderId, int> _lost = [];             // their last incarnations
    private readonly SortedDictionary<long, Entry> _waiting = [];       // by order of submission
    private long _submissions;
    private int _attempts;

    /// <summary>Groups on their way.</summary>
    public IReadOnlyCollection<GroupId> Groups => _groups.Keys;

    /// <summary>Decoders that take groups.</summary>
    public int DecoderCount => _decoders.Count;

    /// <summary>Takes a group, due at a time. False where it is on its way already.</summary>
    public bool Submit(GroupRequest group, TimeSpan due)
    {
        var entry = new Entry(group, due, _submissions++);
        if (!_groups.TryAdd(group.Id, entry))
            return false;
        _waiting.Add(entry.Order, entry);
        return true;
    }

    /// <summary>
    /// A decoder takes work from now on. What an earlier incarnation had waits again, before newer groups. False, and
    /// nothing changes, for an incarnation that is at work already, is an older one, or is known to be gone.
    /// </summary>
    public bool DecoderUp(DecoderId id, int incarnation, int maxNumSeqs)
    {
        if (_decoders.TryGetValue(id, out var known) && known.Incarnation >= incarnation)
            return false;
        if (_lost.TryGetValue(id, out var lost) && lost >= incarnation)
            return false;
        Requeue(id);
        _decoders[id] = new DecoderLoad(id, incarnation, maxNumSeqs);
        return true;
    }

    /// <summary>A decoder is gone. False for an incarnation that is not the one at work.</summary>
    public bool DecoderDown(DecoderId id, int incarnation)
    {
        _lost[id] = Math.Max(incarnation, _lost.GetValueOrDefault(id));
        if (!_decoders.TryGetValue(id, out var known) || known.Incarnation > incarnation)
            return false;
        Requeue(id);
        return _decoders.Remove(id);
    }

    /// <summary>All decoders of a host are gone. A process that takes its address later counts incarnations anew.</summary>
    public void HostDown(HostId host)
    {
        foreach (var decoder in _decoders.Values.Where(decoder => decoder.Id.Host == host).ToArray())
            DecoderDown(decoder.Id, decoder.Incarnation);
        foreach (var id in _lost.Keys.Where(id => id.Host == host).ToArray())
            _lost.Remove(id);
    }

    /// <summary>A group has ended on a decoder. False for a group, decoder or attempt that is no longer the one at work.</summary>
    public bool End(DecoderId decoder, GroupId id, int attempt) =>
        _groups.TryGetValue(id, out var entry) && entry.Attempt == attempt && entry.Decoder == decoder && Remove(entry);

    /// <summary>Takes a group out, and says which decoder works on it under which attempt, if one does.</summary>
    public (DecoderId Decoder, int Attempt)? Cancel(GroupId id)
    {
        if (!_groups.TryGetValue(id, out var entry))
            return null;
        (DecoderId, int)? working = entry.Decoder is { } decoder ? (decoder, entry.Attempt) : null;
        Remove(entry);
        return working;
    }

    /// <summary>Hands waiting groups to decoders with room, first come first served.</summary>
    public IReadOnlyList<Assignment> Assign()
    {
        var assignments = new List<Assignment>();
        while (_waiting.Count > 0)
        {
            var entry = _waiting.First().Value;
            if (!policy.TryChoose(_decoders.Values, entry.Group.Samples.Length, out var decoder))
                break;
            _waiting.Remove(entry.Order);
            entry.Decoder = decoder.Id;
            entry.Attempt = ++_attempts;
            decoder.Groups.Add(entry.Group.Id);
            decoder.AssignedSeqs += entry.Group.Samples.Length;
            assignments.Add(new Assignment(decoder.Id, entry.Group, entry.Attempt));
        }
        return assignments;
    }

    /// <summary>Groups that were due before now, with the decoder that has them, if any.</summary>
    public IReadOnlyList<(GroupId Id, DecoderId? Decoder)> Overdue(TimeSpan now) =>
        [.. _groups.Values.Where(entry => entry.Due < now).Select(entry => (entry.Group.Id, entry.Decoder))];

    private bool Remove(Entry entry)
    {
        if (entry.Decoder is { } id && _decoders.TryGetValue(id, out var decoder) && decoder.Groups.Remove(entry.Group.Id))
            decoder.AssignedSeqs -= entry.Group.Samples.Length;
        else
            _waiting.Remove(entry.Order);
        return _groups.Remove(entry.Group.Id);
    }

    private void Requeue(DecoderId id)
    {
        if (!_decoders.TryGetValue(id, out var decoder))
            return;
        foreach (var entry in decoder.Groups.Select(group => _groups[group]))
        {
            entry.Decoder = null;
            _waiting.Add(entry.Order, entry);
        }
        decoder.Groups.Clear();
        decoder.AssignedSeqs = 0;
    }

    private sealed class Entry(GroupRequest group, TimeSpan due, long order)
    {
        public GroupRequest Group { get; } = group;

        public TimeSpan Due { get; } = due;

        public long Order { get; } = order;

        public DecoderId? Decoder { get; set; }

        public int Attempt { get; set; }
    }
}
