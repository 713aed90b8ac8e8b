namespace Rollout.Actors.Placement;

/// <summary>
/// What is taken back from a decoder for one that has run dry: groups that haven't begun, the youngest first, or parts of
/// one where that pays; else what was preempted.
/// </summary>
internal sealed class WorkRecall(PlacementPolicy policy)
{
    /// <summary>Has samples recalled from one decoder for another. False where nothing that waits there should move.</summary>
    /// <param name="donor">Where samples wait.</param>
    /// <param name="dry">It has places for them.</param>
    /// <param name="most">How many samples it can run.</param>
    public bool Recall(DecoderLoad donor, DecoderLoad dry, int most)
    {
        var (left, waiting) = (most, donor.Load.Waiting);
        foreach (var (group, share) in donor.Groups.OrderByDescending(entry => entry.Key.Order))
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
            if (idle.Count == 0 || !(whole || policy.PaysToSplit(request, idle)))
                continue;
            donor.Commands.Recall(group.Id, [.. idle.Select(slot => slot.Sample)], runningToo: false);
            left -= idle.Count;
        }
        return left < most || (waiting > 0 && RecallPreempted(donor, dry, most));
    }

    /// <summary>What waits has begun before: the pool preempts the youngest, and they are computed again anywhere.</summary>
    private static bool RecallPreempted(DecoderLoad donor, DecoderLoad dry, int most)
    {
        var youngest = donor.Groups.Keys
            .Where(group => group.Request is not null && dry.MayWorkOn(group))
            .MaxBy(group => group.Order);
        if (youngest is null)
            return false;
        var begun = youngest.Slots.Where(slot => slot.Decoder == donor).Reverse().Take(most);
        donor.Commands.Recall(youngest.Id, [.. begun.Select(slot => slot.Sample)], runningToo: false);
        return true;
    }
}
