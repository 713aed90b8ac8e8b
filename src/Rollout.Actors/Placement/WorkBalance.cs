namespace Rollout.Actors.Placement;

/// <summary>
/// Moves work from decoders where samples wait to one that has run dry: it recalls groups that haven't begun, the youngest
/// first, or parts of one where that pays; else what was preempted. They come back to the queue.
/// </summary>
/// <param name="room">Whether splitting pays.</param>
/// <param name="work">The queue.</param>
/// <param name="ranking">The decoders.</param>
internal sealed class WorkBalance(RoomEstimate room, WorkDispatch work, DecoderRanking ranking)
{
    /// <summary>
    /// Gives a decoder that has changed what waits, or has samples recalled where a decoder has places to spare and nothing
    /// waits for them in the queue.
    /// </summary>
    /// <param name="changed">Looked at as the dry one, or as the one where something waits.</param>
    public void GiveWork(KnownDecoder changed)
    {
        ranking.Update(changed);
        work.FillDecoder(changed);
        if (changed.Load.Waiting == 0)
            FetchFor(changed);
        else if (ranking.EmptiestFirst.FirstOrDefault() is { } emptiest && emptiest != changed)
            FetchFor(emptiest);
    }

    private void FetchFor(KnownDecoder dry)
    {
        var places = dry.Capacity.MaxNumSeqs - dry.AssignedSeqs;
        if (work.IsPaused || places <= 0 || !dry.TakesWork || dry.Load.Waiting > 0 || dry.IsFetching
            || IsWaitedFor(dry))
        {
            return;
        }
        foreach (var donor in ranking.MostWaitingFirst)
        {
            if (donor == dry || donor.IsRecallOut || !RecallWhatWaits(donor, dry, Math.Min(places, donor.Load.Waiting)))
                continue;
            donor.LastRecall = donor.Commands.Last;
            dry.FetchesFrom = donor;
            return;
        }
    }

    /// <summary>Something in the queue may go to this decoder.</summary>
    private bool IsWaitedFor(KnownDecoder decoder)
    {
        foreach (var line in work.Waiting.Lines)
        {
            if (decoder.MayWorkOn(line.First!))
                return true;
        }
        return false;
    }

    /// <summary>
    /// Recalls samples for the dry decoder, no more than <paramref name="most"/>. False if nothing that waits there should move.
    /// </summary>
    private bool RecallWhatWaits(KnownDecoder donor, KnownDecoder dry, int most)
    {
        var (left, waiting) = (most, donor.Load.Waiting);
        foreach (var (group, share) in donor.Groups.OrderByDescending(entry => entry.Key.Arrival))
        {
            if (left == 0)
                break;
            if (group.Request is not { } request || !dry.MayWorkOn(group))
                continue;
            var idle = group.Slots.Where(slot => slot.Decoder == donor && slot.Count == 0).Take(left + 1).ToList();
            waiting -= idle.Count;
            var whole = idle.Count == share.Seqs && idle.Count <= left;
            if (idle.Count > left)
                idle.RemoveAt(left);
            if (idle.Count == 0 || !(whole || room.PaysToSplit(request, idle)))
                continue;
            donor.Commands.Recall(group.Id, [.. idle.Select(slot => slot.Sample)], runningToo: false);
            left -= idle.Count;
        }
        return left < most || (waiting > 0 && RecallPreempted(donor, dry, most));
    }

    /// <summary>What waits has begun before: the ledger preempts the youngest, and they are computed again anywhere.</summary>
    private static bool RecallPreempted(KnownDecoder donor, KnownDecoder dry, int most)
    {
        var youngest = donor.Groups.Keys
            .Where(group => group.Request is not null && dry.MayWorkOn(group))
            .MaxBy(group => group.Arrival);
        if (youngest is null)
            return false;
        var begun = youngest.Slots.Where(slot => slot.Decoder == donor).Reverse().Take(most);
        donor.Commands.Recall(youngest.Id, [.. begun.Select(slot => slot.Sample)], runningToo: false);
        return true;
    }
}
