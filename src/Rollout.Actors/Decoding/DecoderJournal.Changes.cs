using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

// What cuts a sample's course short: another scheduler, other weights, a group that can't be finished.
public sealed partial class DecoderJournal
{
    /// <summary>
    /// Follows a scheduler if it is newer than the last one; then all samples are reported to it from their first
    /// token.
    /// </summary>
    public bool Follow(SchedulerEpoch epoch)
    {
        if (epoch.Value <= Epoch.Value)
            return false;
        Epoch = epoch;
        CommandsTaken = _number = 0;
        _isListed = _entries.Count == 0;
        _out = null;
        _offered.Clear();
        _ended.Clear();
        foreach (var entry in _entries.Values)
        {
            (entry.Known, entry.IsListed) = (0, false);
            if (entry.End is not null)
                entry.Place = _ended.AddLast(entry);
        }
        return true;
    }

    /// <summary>Records a sample that the decoder gives up and the scheduler gives to another one.</summary>
    public void HandBack(GroupId group, SampleStart start) =>
        End(new SequenceId(group, start.Sample), new JournalEnd(start.Sampled, Finished: null));

    /// <summary>Records a group that can't be finished, and drops its unfinished samples.</summary>
    public void Reject(GroupId group, string reason)
    {
        if (!_groups.TryGetValue(group, out var members) || members.All(member => member.End is not null))
            return;
        var unfinished = members.Where(member => member.End is null).ToArray();
        _rejected.Add(new GroupRejection(group, unfinished[0].Assignment, WireLimits.Reason(reason)));
        Array.ForEach(unfinished, Remove);
    }

    /// <summary>Groups with unfinished samples that may not be sampled with these weights.</summary>
    public IReadOnlyList<GroupId> NotUnder(Policy policy) =>
    [
        .. _groups
            .Where(group => group.Value.Any(entry => entry.End is null && (entry.RequiredPolicy ?? policy) != policy))
            .Select(group => group.Key),
    ];
}
