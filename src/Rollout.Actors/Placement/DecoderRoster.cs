using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// The decoders of the cluster, each in its latest incarnation. An incarnation or a host that is gone never comes back;
/// all decoders have the model and tokenizer of the first.
/// </summary>
public sealed class DecoderRoster(SchedulerEpoch epoch)
{
    private readonly Dictionary<DecoderId, DecoderLoad> _decoders = [];
    private readonly Dictionary<DecoderId, int> _gone = [];         // their last incarnations
    private readonly HashSet<HostId> _goneHosts = [];
    private readonly HashSet<DecoderLoad> _toTell = [];
    private long _arrivals;

    public int Count => _decoders.Count;

    /// <summary>Sequences that they can run at once, all together.</summary>
    public int Places { get; private set; }

    /// <summary>Of the decoders' model and tokenizer; null where there is none.</summary>
    public string? Fingerprint { get; private set; }

    /// <summary>What all decoders hold; null where there is none, or they differ.</summary>
    public Policy? Policy => _decoders.Values.Select(decoder => decoder.Here.Policy).Distinct().ToArray() is [var one] ? one : null;

    /// <summary>Those that take work, the emptiest first.</summary>
    public DecoderRanking Ranking { get; } = new();

    public IReadOnlyCollection<DecoderLoad> All => _decoders.Values;

    public DecoderLoad? Find(DecoderId id) => _decoders.GetValueOrDefault(id);

    /// <summary>Those that commands have come up for since the last call.</summary>
    public IReadOnlyList<DecoderLoad> TakeToTell()
    {
        if (_toTell.Count == 0)
            return [];
        var toTell = _toTell.Where(decoder => !decoder.IsGone).ToArray();
        _toTell.Clear();
        return toTell;
    }

    /// <summary>A decoder says that it is there. Null, with a sentence where it is to be told one, for one that can't be used.</summary>
    public DecoderLoad? Welcome(DecoderHere here, out string? refusal)
    {
        refusal = null;
        if (_goneHosts.Contains(here.Id.Host) || (_gone.TryGetValue(here.Id, out var gone) && gone >= here.Incarnation))
            return null;
        var known = Find(here.Id);
        if (known?.Here.Incarnation > here.Incarnation)
            return null;
        if (Fingerprint is { } expected && expected != here.Fingerprint && !(known is not null && Count == 1))
        {
            refusal = $"{here.Id} has another model or tokenizer than the cluster's decoders:"
                + $" {here.Fingerprint}, expected {expected}";
            return null;
        }
        if (known?.Here.Incarnation == here.Incarnation)
        {
            known.Here = here;
            return known;
        }
        Fingerprint = here.Fingerprint;
        Places += here.Capacity.MaxNumSeqs - (known?.Capacity.MaxNumSeqs ?? 0);
        return _decoders[here.Id] = new DecoderLoad(here, epoch, _arrivals++, _toTell);
    }

    /// <summary>An incarnation is gone. Null where it isn't the one that is known.</summary>
    public DecoderLoad? Remove(DecoderId id, int incarnation)
    {
        _gone[id] = Math.Max(incarnation, _gone.GetValueOrDefault(id));
        if (Find(id) is not { } known || known.Here.Incarnation > incarnation)
            return null;
        _decoders.Remove(id);
        Places -= known.Capacity.MaxNumSeqs;
        if (Count == 0)
            Fingerprint = null;
        return known;
    }

    /// <summary>A host is gone, with all its decoders.</summary>
    public IReadOnlyList<DecoderLoad> Remove(HostId host)
    {
        _goneHosts.Add(host);
        var lost = _decoders.Values.Where(decoder => decoder.Id.Host == host).ToArray();
        foreach (var decoder in lost)
            Remove(decoder.Id, decoder.Here.Incarnation);
        foreach (var id in _gone.Keys.Where(id => id.Host == host).ToArray())
            _gone.Remove(id);
        return lost;
    }
}
