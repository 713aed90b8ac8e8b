using Akka.Actor;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Barrier;

/// <summary>A decoder that takes part in the step barrier.</summary>
/// <param name="Incarnation">Of the decoder.</param>
/// <param name="Decoder">Where to reach it.</param>
/// <param name="SharesWeights">It computes with the trainer's memory.</param>
internal sealed record Participant(int Incarnation, IActorRef Decoder, bool SharesWeights);

/// <summary>
/// Who takes part in the step barrier: decoders that joined, whose host is a member of the cluster and whose incarnation is
/// the latest.
/// </summary>
/// <param name="self">The trainer's host, whose decoders alone can share its memory.</param>
internal sealed class BarrierRoster(HostId self)
{
    private readonly Dictionary<DecoderId, Participant> _participants = [];

    /// <summary>A host that was lost never comes back: a process that takes its address is another host.</summary>
    private readonly HashSet<HostId> _lost = [];

    public IEnumerable<DecoderId> Ids => _participants.Keys;

    public IEnumerable<DecoderId> SharerIds =>
        _participants.Where(entry => entry.Value.SharesWeights).Select(entry => entry.Key);

    public IEnumerable<Participant> All => _participants.Values;

    public Participant Of(DecoderId id) => _participants[id];

    /// <summary>Who takes part as this actor.</summary>
    public IReadOnlyList<(DecoderId Id, int Incarnation)> Of(IActorRef decoder) =>
    [
        .. _participants.Where(entry => entry.Value.Decoder.Equals(decoder))
            .Select(entry => (entry.Key, entry.Value.Incarnation)),
    ];

    public bool Shares(DecoderId id) => _participants.TryGetValue(id, out var known) && known.SharesWeights;

    /// <summary>Counts a decoder in. <see cref="Entry.Refused"/> when it speaks for a host or an incarnation that is gone.</summary>
    public Entry Enter(JoinBarrier join)
    {
        var known = _participants.GetValueOrDefault(join.Id);
        if (_lost.Contains(join.Id.Host)
            || known?.Incarnation > join.Incarnation
            || (join.SharesWeights && join.Id.Host != self))
        {
            return Entry.Refused;
        }
        _participants[join.Id] = new Participant(join.Incarnation, join.Decoder, join.SharesWeights);
        return known?.Incarnation == join.Incarnation ? Entry.Known : Entry.New;
    }

    /// <summary>Counts an incarnation out. False when it was not counted in, or has a successor.</summary>
    public bool Leave(DecoderId id, int incarnation) =>
        _participants.TryGetValue(id, out var known) && known.Incarnation <= incarnation && _participants.Remove(id);

    /// <summary>Counts out whoever is there under this id.</summary>
    public void Drop(DecoderId id) => _participants.Remove(id);

    /// <summary>Counts out all decoders of a host, for good, and says which.</summary>
    public DecoderId[] Lose(HostId host)
    {
        _lost.Add(host);
        var gone = _participants.Keys.Where(id => id.Host == host).ToArray();
        Array.ForEach(gone, Drop);
        return gone;
    }
}

/// <summary>What became of a wish to join.</summary>
internal enum Entry
{
    Refused,

    /// <summary>It took part before, in the same incarnation.</summary>
    Known,

    New,
}
