using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

// Groups that end without all their samples: they can't be finished, are late, or nobody wants them.
public sealed partial class GroupBook
{
    /// <summary>Drops a group that no client wants.</summary>
    public void Cancel(GroupId id)
    {
        _line.Remove(id);
        if (Groups.Find(id) is not { } group)
            return;
        Withdraw(group);
        Forget(group, atOnce: true);
    }

    /// <summary>Ends a group that can't be finished.</summary>
    public void Fail(GroupId id, string reason)
    {
        if (Groups.Find(id) is not { Outcome: null } group)
            return;
        Withdraw(group);
        Groups.End(group, new GroupFailed(id, reason));
        TellHolders(group, atOnce: true);
    }

    /// <summary>Fails all groups that haven't ended.</summary>
    public void FailAll(string reason) => FailEach([.. Groups.Wanted.Select(group => (group.Id, reason))]);

    /// <summary>Fails groups that are longer than any decoder could run. To be called where no other decoder is expected.</summary>
    public void FailUnfit() => FailEach(IsPaused ? [] : _unserved.Unfit());

    /// <summary>Some waiting groups are too long for every decoder that is there.</summary>
    public bool AnyTooLong => _unserved.AnyTooLong;

    /// <summary>
    /// Fails groups that have waited too long without a decoder for them, also those that clients keep where there was no
    /// decoder at all. To be called every second or so.
    /// </summary>
    /// <param name="now">The time.</param>
    public void FailStranded(TimeSpan now)
    {
        var stranded = _unserved.Stranded(now, IsPaused);
        FailEach(stranded);
        if (stranded.Count == 0 || Decoders.Count > 0)
            return;
        foreach (var id in _line.DropOfferedBefore(now - _decoderTimeout))
        {
            Groups.Add(id);
            Fail(id, stranded[0].Reason);
        }
    }

    /// <summary>
    /// Groups that have made no token for too long, or whose outcome was not acknowledged in time. Those that no client has
    /// asked for are dropped on the way.
    /// </summary>
    public IReadOnlyList<RolloutGroup> TakeOverdue()
    {
        var overdue = Groups.TakeOverdue();
        foreach (var orphan in overdue.Where(group => group.Request is null))
            Cancel(orphan.Id);
        return [.. overdue.Where(group => group.Request is not null)];
    }

    /// <summary>Fails groups that the decoders' model is not the right one for.</summary>
    internal void FailThoseOfAnotherModel()
    {
        foreach (var group in Groups.Wanted.ToArray())
        {
            if (WhyRefused(group.Request!, group.Fingerprint) is { } reason)
                Fail(group.Id, reason);
        }
    }

    private void FailEach(IReadOnlyList<(GroupId Id, string Reason)> failed)
    {
        foreach (var (id, reason) in failed)
            Fail(id, reason);
    }

    /// <summary>Takes a group away from decoders and queue.</summary>
    private void Withdraw(RolloutGroup group)
    {
        Work.Dequeue(group);
        foreach (var slot in group.Slots)
        {
            if (slot.Decoder is not { } decoder)
                continue;
            decoder.Remove(group, slot);
            slot.Release();
            Decoders.Ranking.Update(decoder);
        }
    }
}
