using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// What decoders say, booked as far as it is theirs to say: that they are there, what became of the samples that they were
/// given, what they began for an earlier scheduler, and that they are gone. Used by the scheduler beside its
/// <see cref="GroupBook"/>.
/// </summary>
/// <param name="epoch">The scheduler's.</param>
/// <param name="book">Who works on what.</param>
/// <param name="refused">Told, as a sentence, of an entry of a report that can't be right and was left out.</param>
internal sealed class DecoderIntake(SchedulerEpoch epoch, GroupBook book, Action<KnownDecoder, string> refused)
{
    private readonly WorkBalance _balance = new(book.Room, book.Work, book.Decoders.Ranking);

    private DecoderFleet Decoders => book.Decoders;

    /// <summary>
    /// Registers a decoder, or renews what is known of it. An earlier incarnation's samples wait again, before newer
    /// groups. Null for one that is known to be gone, or is refused.
    /// </summary>
    public KnownDecoder? RegisterDecoder(DecoderHere here, out string? refusal)
    {
        refusal = WhyUnusable(here);
        if (refusal is not null)
        {
            Decoders.Roster.Refuse(here.Id);
            return null;
        }
        var isKnown = Decoders.Find(here.Id)?.Announcement.Incarnation == here.Incarnation;
        var before = (book.Fingerprint, Decoders.VocabularySize);
        (var decoder, refusal, var displaced) = Decoders.Register(here, book.GroupsOnTheirWay > 0, book.IsHeld);
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
            decoder.IsSettled |= here.Holding == 0;
        }
        decoder.Commands.EnqueueForgotten();
        GiveWork(decoder);
        return decoder;
    }

    /// <summary>A decoder's actor has stopped: it is given nothing until its host says what became of it.</summary>
    public void SuspendDecoder(KnownDecoder decoder)
    {
        decoder.Announcement = decoder.Announcement with { Leaving = true };
        Decoders.Ranking.Update(decoder);
    }

    /// <summary>Removes an incarnation that has ended; what it worked on may be to blame where it is a fault.</summary>
    public void RemoveDecoder(DecoderLost lost, bool isFault = true)
    {
        if (Decoders.Remove(lost) is not { } decoder)
            return;
        book.Work.MeasureDecoders(Decoders.All);
        ReassignSamples([decoder], _ => isFault ? lost.Reason : null);
    }

    /// <summary>Removes all decoders of a host, for good: a process that takes its address later is another host.</summary>
    public IReadOnlyList<KnownDecoder> RemoveHost(HostId host)
    {
        var lost = Decoders.Remove(host);
        book.Work.MeasureDecoders(Decoders.All);
        ReassignSamples(lost, _ => null);
        return lost;
    }

    /// <summary>Books a report. Null if its sender doesn't count, and is not to be answered.</summary>
    public KnownDecoder? AcceptReport(DecoderReport report)
    {
        if (report.Epoch != epoch || Decoders.Find(report.Decoder) is not { } decoder
            || decoder.Announcement.Incarnation != report.Incarnation)
        {
            return null;
        }
        decoder.Commands.Acknowledge(report.CommandsTaken);
        if (report.Number <= decoder.LastReport)
            return decoder;
        (decoder.LastReport, decoder.Load) = (report.Number, report.Load);
        if (decoder.Announcement.Policy != report.Policy)
            decoder.Announcement = decoder.Announcement with { Policy = report.Policy };
        var now = book.Groups.Now;      // once: reading a clock costs as much as the rest of an entry
        foreach (var progress in report.Samples)
            AcceptProgress(decoder, progress, now);
        foreach (var rejection in report.Rejected)
        {
            var group = book.Find(rejection.Group);
            if (group?.Slots.Any(slot => slot.Decoder == decoder && slot.Assignment == rejection.Assignment) == true)
                book.Fail(rejection.Group, rejection.Reason);
        }
        decoder.IsSettled |= !report.More;
        GiveWork(decoder);
        return decoder;
    }

    private static string? WhyUnusable(DecoderHere here) =>
        here.Capacity is { MaxNumSeqs: > 0, Blocks: > 0, BlockSize: > 0, MaxModelLength: > 0, VocabularySize: > 0 } ? null
            : $"{here.Id} can't be used: it says that its capacity is {here.Capacity}";

    private void GiveWork(KnownDecoder decoder)
    {
        Decoders.Ranking.Update(decoder);
        book.Work.FillDecoder(decoder);
        _balance.Balance(decoder);
    }

    private void AcceptProgress(KnownDecoder decoder, SampleProgress progress, TimeSpan now)
    {
        // A settled decoder reports an unknown group only if its client has the outcome or cancelled it: ForgetGroups is on
        // its way.
        var group = book.Find(progress.Group);
        if (group is null && decoder.IsSettled)
            return;
        if (group?.Outcome is not null)
        {
            group.HeldBy(decoder);
            return;
        }
        if (WhyWrong(group?.Request, progress) is { } reason)
        {
            group?.HeldBy(decoder);
            refused(decoder, reason);
            return;
        }
        group ??= book.AddOrphan(progress.Group);
        var slot = group.FindOrAddSlot(progress.Sample);
        var isTheirs = slot.Decoder == decoder && slot.Assignment == progress.Assignment;
        if (!isTheirs && (decoder.IsSettled || !TakeOver(decoder, group, slot, progress)))
            return;
        var before = slot.Count;
        if (!slot.Append(progress))
        {
            // A hole: never by the protocol. Whoever goes on with it starts where our knowledge ends.
            decoder.Commands.Recall(group.Id, [slot.Sample], runningToo: true);
            Requeue(decoder, group, slot);
            return;
        }
        if (slot.Count > before)
            group.ProgressAt = decoder.ProgressAt = now;
        if (progress.Finished is { } finished)
            Finish(decoder, group, slot, finished);
        else if (progress.HandedBack)
            Requeue(decoder, group, slot);
    }

    /// <summary>Why an entry of a report can't be right, in a sentence; null if it can.</summary>
    private static string? WhyWrong(GroupRequest? request, SampleProgress progress)
    {
        var (sample, end) = (progress.Sample, (long)progress.Start + progress.Sampled.Count);
        return sample < 0 || progress.Start < 0 ? $"it reported sample {sample} of {progress.Group} from token {progress.Start} on"
            : request is null ? null
            : sample >= request.Samples.Length
                ? $"it reported sample {sample} of {progress.Group}, which has {request.Samples.Length}"
            : end > request.Samples[sample].MaxTokens
                ? $"it reported {end} tokens of a sample of {progress.Group}, which has {request.Samples[sample].MaxTokens} at most"
            : null;
    }

    /// <summary>Takes over what a decoder began for the scheduler before this one: it need not be computed again.</summary>
    private bool TakeOver(KnownDecoder decoder, RolloutGroup group, SampleSlot slot, SampleProgress progress)
    {
        group.HeldBy(decoder);
        if (slot.IsFinished)
            return false;
        if (!slot.IsWaiting || progress.Start != 0)
        {
            decoder.Commands.Recall(group.Id, [slot.Sample], runningToo: true);
            return false;
        }
        slot.Clear();
        book.Work.AssignToHolder(group, slot, decoder, progress.Assignment);
        return true;
    }

    private void Finish(KnownDecoder decoder, RolloutGroup group, SampleSlot slot, FinishReason reason)
    {
        decoder.Remove(group, slot);
        slot.Finish(reason);
        group.Unfinished--;
        if (group.Request is { } request)
            book.Room.LearnLength(slot.Count, request.Samples[slot.Sample].MaxTokens);
        book.EndIfComplete(group);
    }

    private void Requeue(KnownDecoder decoder, RolloutGroup group, SampleSlot slot)
    {
        decoder.Remove(group, slot);
        slot.Release();
        book.Work.Requeue(group, 1);
    }

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
