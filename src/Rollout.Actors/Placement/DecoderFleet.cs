using Rollout.Actors.Membership;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// The decoders that the scheduler gives work to, and their common capacity. All have the model and tokenizer of the first
/// one, which stay the same while there is work that was begun with them. A new scheduler adopts the model that decoders
/// worked with under the one before.
/// </summary>
/// <param name="epoch">The scheduler's epoch.</param>
/// <param name="knowsHosts">False while membership is still to say which hosts are up.</param>
public sealed class DecoderFleet(SchedulerEpoch epoch, bool knowsHosts = true)
{
    private readonly HashSet<KnownDecoder> _toTell = [];
    private string? _fingerprint;
    private long _arrivals;

    /// <summary>Who is present, and who may still come.</summary>
    public Roster<KnownDecoder> Roster { get; } = new(knowsHosts);

    public int Count => Roster.Count;

    /// <summary>Sequences that all decoders together can run at once.</summary>
    public int Places { get; private set; }

    /// <summary>Tokens of the longest sequence that a decoder of this model could run, lost ones included.</summary>
    public long GreatestReach { get; private set; }

    /// <summary>Token ids of the decoders' model are less than this; null before the first decoder.</summary>
    public int? VocabularySize { get; private set; }

    /// <summary>The weights that all decoders hold; null if there is no decoder, or they differ.</summary>
    public Policy? Policy => All.Select(decoder => decoder.Announcement.Policy).Distinct().ToArray() is [var one] ? one : null;

    /// <summary>The decoders that take work, the emptiest first.</summary>
    public DecoderRanking Ranking { get; } = new();

    public IEnumerable<KnownDecoder> All => Roster.Present;

    public KnownDecoder? Find(DecoderId id) => Roster.Find(id);

    /// <summary>The model and tokenizer that decoders must have; null if the next one decides.</summary>
    /// <param name="hasWork">Some groups have not ended.</param>
    public string? Fingerprint(bool hasWork) => hasWork || Roster.HasAny ? _fingerprint : null;

    /// <summary>Sets the model of decoders to come, while there is none and no work; null takes any.</summary>
    public void Expect(string? fingerprint)
    {
        if (_fingerprint != fingerprint)
            (_fingerprint, GreatestReach, VocabularySize) = (fingerprint, 0, null);
    }

    /// <summary>The decoders that have had new commands since the last call.</summary>
    public IReadOnlyList<KnownDecoder> TakeToTell()
    {
        if (_toTell.Count == 0)
            return [];
        var toTell = _toTell.Where(decoder => !decoder.IsGone).ToArray();
        _toTell.Clear();
        return toTell;
    }

    /// <summary>Registers a decoder that announces itself.</summary>
    /// <param name="here">The announcement.</param>
    /// <param name="hasWork">Some groups have not ended: they go on with the model they were begun with.</param>
    /// <param name="isTakingOver">
    /// This scheduler has given out no work yet: a decoder that worked for an earlier one decides on the model, and displaces
    /// idle decoders of another model.
    /// </param>
    public DecoderArrival Register(DecoderHere here, bool hasWork, bool isTakingOver)
    {
        if (!Roster.Admits(here.Id, here.Incarnation))
            return DecoderArrival.OfTheGone;
        var known = Find(here.Id);
        if (known?.Announcement.Incarnation == here.Incarnation)
        {
            known.Announcement = here;
            return new DecoderArrival(known, null, []);
        }
        List<KnownDecoder> displaced = known is null ? [] : [known];
        var isAlone = !hasWork && !Roster.HasOther(here.Id);
        if (!isAlone && _fingerprint is { } expected && expected != here.Fingerprint)
        {
            if (!isTakingOver || !KnownDecoder.WorkedBefore(here, epoch) || All.Any(decoder => decoder.HasWorkedBefore))
            {
                Roster.Refuse(here.Id);
                return new DecoderArrival(
                    null,
                    $"{here.Id} has another model or tokenizer than the cluster's decoders:"
                    + $" {here.Fingerprint}, expected {expected}",
                    []);
            }
            displaced = [.. All];
            displaced.ForEach(decoder => Roster.Expel(decoder.Id));
        }
        displaced.ForEach(decoder => Places -= decoder.Capacity.MaxNumSeqs);
        if (isAlone || _fingerprint != here.Fingerprint)
            (_fingerprint, GreatestReach) = (here.Fingerprint, 0);
        VocabularySize = here.Capacity.VocabularySize;
        Places += here.Capacity.MaxNumSeqs;
        GreatestReach = Math.Max(GreatestReach, here.Capacity.Reach);
        var decoder = new KnownDecoder(here, epoch, _arrivals++, _toTell);
        Roster.Admit(here.Id, here.Incarnation, decoder);
        return new DecoderArrival(decoder, null, displaced);
    }

    /// <summary>Removes an incarnation that has ended. Returns it if it was present.</summary>
    public KnownDecoder? Remove(DecoderLost lost)
    {
        var decoder = Roster.RecordLoss(lost);
        Places -= decoder?.Capacity.MaxNumSeqs ?? 0;
        return decoder;
    }

    /// <summary>Removes a host that has left or died. Returns those of its decoders that were present.</summary>
    public IReadOnlyList<KnownDecoder> Remove(HostId host)
    {
        var lost = Roster.RecordHostLoss(host);
        Places -= lost.Sum(decoder => decoder.Capacity.MaxNumSeqs);
        return lost;
    }
}
