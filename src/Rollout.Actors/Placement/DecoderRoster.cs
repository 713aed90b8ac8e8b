using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// The decoders of the cluster, each in its latest incarnation. An incarnation or a host that is gone never comes back.
/// All decoders have one model and tokenizer: those of the first, kept while there is work that was begun with them, and
/// after a hand-over those of whoever worked for the scheduler before.
/// </summary>
public sealed class DecoderRoster(SchedulerEpoch epoch)
{
    private readonly Dictionary<DecoderId, DecoderLoad> _decoders = [];
    private readonly Dictionary<DecoderId, int> _gone = [];         // their last incarnations
    private readonly HashSet<DecoderId> _returning = [];
    private readonly HashSet<HostId> _goneHosts = [];
    private readonly HashSet<DecoderLoad> _toTell = [];
    private string? _fingerprint;
    private long _arrivals;

    public int Count => _decoders.Count;

    /// <summary>Sequences that they can run at once, all together.</summary>
    public int Places { get; private set; }

    /// <summary>Tokens of the longest sequence that one of them can run, or could that is lost and may come back.</summary>
    public long GreatestReach { get; private set; }

    /// <summary>What all decoders hold; null where there is none, or they differ.</summary>
    public Policy? Policy => _decoders.Values.Select(decoder => decoder.Here.Policy).Distinct().ToArray() is [var one] ? one : null;

    /// <summary>Those that take work, the emptiest first.</summary>
    public DecoderRanking Ranking { get; } = new();

    public IReadOnlyCollection<DecoderLoad> All => _decoders.Values;

    public DecoderLoad? Find(DecoderId id) => _decoders.GetValueOrDefault(id);

    /// <summary>Of the model and tokenizer that decoders must have; null where the next one decides.</summary>
    /// <param name="hasWork">Groups are on their way.</param>
    public string? Fingerprint(bool hasWork) =>
        hasWork || _decoders.Count + _returning.Count > 0 ? _fingerprint : null;

    /// <summary>There is no decoder and nothing was begun: decoders to come must have this, or any model where it is null.</summary>
    public void Expect(string? fingerprint)
    {
        if (_fingerprint != fingerprint)
            (_fingerprint, GreatestReach) = (fingerprint, 0);
    }

    /// <summary>Those that commands have come up for since the last call.</summary>
    public IReadOnlyList<DecoderLoad> TakeToTell()
    {
        if (_toTell.Count == 0)
            return [];
        var toTell = _toTell.Where(decoder => !decoder.IsGone).ToArray();
        _toTell.Clear();
        return toTell;
    }

    /// <summary>A decoder says that it is there.</summary>
    /// <param name="here">What it says.</param>
    /// <param name="hasWork">Groups are on their way: what was begun with a model goes on with no other.</param>
    /// <param name="isTakingOver">
    /// Nothing was given to anybody yet: those that worked for an earlier scheduler say which model is the cluster's, and
    /// one that is new here makes way for them.
    /// </param>
    public DecoderArrival Welcome(DecoderHere here, bool hasWork, bool isTakingOver)
    {
        if (_goneHosts.Contains(here.Id.Host) || (_gone.TryGetValue(here.Id, out var gone) && gone >= here.Incarnation))
            return DecoderArrival.OfTheGone;
        var known = Find(here.Id);
        if (known?.Here.Incarnation > here.Incarnation)
            return DecoderArrival.OfTheGone;
        if (known?.Here.Incarnation == here.Incarnation)
        {
            known.Here = here;
            return new DecoderArrival(known, null, []);
        }
        List<DecoderLoad> displaced = known is null ? [] : [known];
        var isAlone = !hasWork && _decoders.Keys.Concat(_returning).All(id => id == here.Id);
        if (!isAlone && _fingerprint is { } expected && expected != here.Fingerprint)
        {
            var decides = isTakingOver && DecoderLoad.WorkedBefore(here, epoch)
                && !_decoders.Values.Any(decoder => decoder.HasWorkedBefore);
            if (!decides)
            {
                return new DecoderArrival(
                    null,
                    $"{here.Id} has another model or tokenizer than the cluster's decoders:"
                    + $" {here.Fingerprint}, expected {expected}",
                    []);
            }
            displaced = [.. _decoders.Values];
        }
        displaced.ForEach(Drop);
        if (isAlone || _fingerprint != here.Fingerprint)
            (_fingerprint, GreatestReach) = (here.Fingerprint, 0);
        _returning.Remove(here.Id);
        Places += here.Capacity.MaxNumSeqs;
        GreatestReach = Math.Max(GreatestReach, here.Capacity.Reach);
        var decoder = _decoders[here.Id] = new DecoderLoad(here, epoch, _arrivals++, _toTell);
        return new DecoderArrival(decoder, null, displaced);
    }

    /// <summary>An incarnation is gone. Null where it isn't the one that is known.</summary>
    public DecoderLoad? Remove(DecoderId id, int incarnation, bool comesBack = false)
    {
        if (_gone.GetValueOrDefault(id) > incarnation || Find(id)?.Here.Incarnation > incarnation)
            return null;
        _gone[id] = incarnation;
        if (comesBack && !_goneHosts.Contains(id.Host))
            _returning.Add(id);
        else
            _returning.Remove(id);
        if (Find(id) is not { } known)
            return null;
        Drop(known);
        return known;
    }

    /// <summary>A host is gone, with all its decoders.</summary>
    public IReadOnlyList<DecoderLoad> Remove(HostId host)
    {
        _goneHosts.Add(host);
        _returning.RemoveWhere(id => id.Host == host);
        var lost = _decoders.Values.Where(decoder => decoder.Id.Host == host).ToArray();
        Array.ForEach(lost, Drop);
        foreach (var id in _gone.Keys.Where(id => id.Host == host).ToArray())
            _gone.Remove(id);
        return lost;
    }

    private void Drop(DecoderLoad decoder)
    {
        _decoders.Remove(decoder.Id);
        Places -= decoder.Capacity.MaxNumSeqs;
    }
}
