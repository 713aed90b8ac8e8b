using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// Books what decoders report: the progress of the samples that are assigned to them, and samples that they began for an
/// earlier scheduler. <see cref="DecoderRegistry"/> books decoders that come and go.
/// </summary>
/// <param name="epoch">The scheduler's epoch.</param>
/// <param name="book">The scheduler's record of groups.</param>
/// <param name="refused">Gets a sentence for each entry of a report that was left out because it can't be right.</param>
internal sealed class DecoderIntake(SchedulerEpoch epoch, GroupBook book, Action<KnownDecoder, string> refused)
{
    private readonly WorkBalance _balance = new(book.Room, book.Work, book.Decoders.Ranking);

    /// <summary>Books a report. Null if its sender doesn't count, and is not to be answered.</summary>
    public KnownDecoder? AcceptReport(DecoderReport report)
    {
        if (report.Epoch != epoch || book.Decoders.Find(report.Decoder) is not { } decoder
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
        decoder.HasReported |= !report.More;
        _balance.GiveWork(decoder);
        return decoder;
    }

    private void AcceptProgress(KnownDecoder decoder, SampleProgress progress, TimeSpan now)
    {
        // A decoder that has reported all it holds names an unknown group only if ForgetGroups is on its way: the client has the
        // outcome, or cancelled the group.
        var group = book.Find(progress.Group);
        if (group is null && decoder.HasReported)
            return;
        if (group?.Outcome is not null)
        {
            group.AddHolder(decoder);
            return;
        }
        if (RequestRules.WhyWrong(progress, group?.Request) is { } reason)
        {
            group?.AddHolder(decoder);
            refused(decoder, reason);
            return;
        }
        group ??= book.AddOrphan(progress.Group);
        var slot = group.FindOrAddSlot(progress.Sample);
        var isTheirs = slot.Decoder == decoder && slot.Assignment == progress.Assignment;
        if (!isTheirs && (decoder.HasReported || !TakeOver(decoder, group, slot, progress)))
            return;
        var before = slot.Count;
        if (!slot.Append(progress))
        {
            // Tokens are missing, which the protocol rules out. The sample continues from the tokens that are known here.
            decoder.Commands.Recall(group.Id, [slot.Sample], runningToo: true);
            Requeue(decoder, group, slot);
            return;
        }
        if (slot.Count > before)
        {
            group.ProgressAt = decoder.ProgressAt = now;
            book.Groups.NoteGrowth(group);
        }
        if (progress.Finished is { } finished)
            Finish(decoder, group, slot, finished);
        else if (progress.HandedBack)
            Requeue(decoder, group, slot);
    }

    /// <summary>Takes over what a decoder began for the scheduler before this one: it need not be computed again.</summary>
    private bool TakeOver(KnownDecoder decoder, RolloutGroup group, SampleSlot slot, SampleProgress progress)
    {
        group.AddHolder(decoder);
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
        book.Groups.NoteGrowth(group);
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
}
