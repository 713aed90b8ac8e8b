using Rollout.Actors.Protocol;

namespace Rollout.Actors.Placement;

/// <summary>
/// Books who is there: decoders that announce themselves, and those that are lost, whose samples go on elsewhere. Used by
/// the scheduler beside its <see cref="GroupBook"/>.
/// </summary>
/// <param name="epoch">The scheduler's.</param>
/// <param name="book">Who works on what.</param>
internal sealed class DecoderRegistry(SchedulerEpoch epoch, GroupBook book)
{
    private readonly WorkBalance _balance = new(book.Room, book.Work, book.Decoders.Ranking);

    private DecoderFleet Decoders => book.Decoders;

    /// <summary>
    /// Registers a decoder, or renews what is known of it. An earlier incarnation's samples wait again, before newer
    /// groups. Null for one that is known to be gone, or is refused.
    /// </summary>
    public KnownDecoder? Register(DecoderHere here, out string? refusal)
    {
        refusal = WhyUnusable(here);
        if (refusal is not null)
        {
            Decoders.Roster.Refuse(here.Id);
            return null;
        }
        var isKnown = Decoders.Find(here.Id)?.Announcement.Incarnation == here.Incarnation;
        var before = (book.Fingerprint, Decoders.VocabularySize);
        (var decoder, refusal, var displaced) = Decoders.Register(here, book.GroupsOnTheirWay > 0, book.IsPaused);
        if (decoder is null)
            return null;
        if (!isKnown)
            book.Work.MeasureDecoders(Decoders.All);
        ReassignSamples(displaced, other => other.Id == here.Id ? "it was started anew" : null);
        if ((book.Fingerprint, Decoders.VocabularySize) != before)
            book.FailThoseOfAnotherModel();
        if (here.Seen == epoch)
        {
            decoder.Commands.Acknowledge(here.CommandsTaken);
            decoder.HasReported |= here.HeldSamples == 0;
        }
        decoder.Commands.EnqueueForgotten();
        _balance.GiveWork(decoder);
        return decoder;
    }

    /// <summary>A decoder's actor has stopped: it is given nothing until its host says what became of it.</summary>
    public void Suspend(KnownDecoder decoder)
    {
        decoder.Announcement = decoder.Announcement with { Leaving = true };
        Decoders.Ranking.Update(decoder);
    }

    /// <summary>Removes an incarnation that has ended; what it worked on may be to blame where it is a fault.</summary>
    public void Remove(DecoderLost lost, bool isFault = true)
    {
        if (Decoders.Remove(lost) is not { } decoder)
            return;
        book.Work.MeasureDecoders(Decoders.All);
        ReassignSamples([decoder], _ => isFault ? lost.Reason : null);
    }

    /// <summary>Removes all decoders of a host, for good: a process that takes its address later is another host.</summary>
    public IReadOnlyList<KnownDecoder> Remove(HostId host)
    {
        var lost = Decoders.Remove(host);
        book.Work.MeasureDecoders(Decoders.All);
        ReassignSamples(lost, _ => null);
        return lost;
    }

    private static string? WhyUnusable(DecoderHere here) =>
        here.Capacity is { MaxNumSeqs: > 0, Blocks: > 0, BlockSize: > 0, MaxModelLength: > 0, VocabularySize: > 0 } ? null
            : $"{here.Id} can't be used: it says that its capacity is {here.Capacity}";

    /// <summary>Has the samples of decoders that are out go on elsewhere.</summary>
    /// <param name="lost">Their samples wait again.</param>
    /// <param name="faultOf">What each was lost by, where a group of it may be to blame.</param>
    private void ReassignSamples(IReadOnlyList<KnownDecoder> lost, Func<KnownDecoder, string?> faultOf)
    {
        foreach (var decoder in lost)
        {
            decoder.IsGone = true;
            Decoders.Ranking.Update(decoder);
        }
        foreach (var decoder in lost)
            ReleaseSamples(decoder, faultOf(decoder));
        if (lost.Count > 0)
            book.Work.PlaceAll();
    }

    private void ReleaseSamples(KnownDecoder decoder, string? fault)
    {
        foreach (var group in decoder.Groups.Keys.ToArray())
        {
            var released = 0;
            foreach (var slot in group.Slots.Where(slot => slot.Decoder == decoder))
            {
                decoder.Remove(group, slot);
                decoder.Orphan(slot);
                slot.Release();
                released++;
            }
            group.Losses += fault is null ? 0 : 1;
            book.Work.Requeue(group, released);
            if (group is { Losses: >= RolloutGroup.MostLosses, Request: not null })
                book.Fail(group.Id, $"its decoder was lost {group.Losses} times; the last one was {decoder.Id}: {fault}");
        }
    }
}
