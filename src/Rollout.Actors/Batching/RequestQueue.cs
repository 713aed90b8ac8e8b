using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Batching;

/// <summary>
/// Sequences that wait for blocks, oldest first: new groups behind, preempted and retried sequences at the place of
/// their age. Samples of a group that have sampled nothing yet are one entry, so that their prompt is computed once.
/// </summary>
/// <param name="joinSiblings">False for the static baseline, where every sample computes its own prompt.</param>
public sealed class RequestQueue(bool joinSiblings)
{
    private readonly List<WaitingEntry> _entries = [];

    /// <summary>Sequences waiting.</summary>
    public int Count { get; private set; }

    public bool IsEmpty => _entries.Count == 0;

    public WaitingEntry First => _entries[0];

    /// <summary>Queues sequences of one group that hold the same tokens.</summary>
    public void Add(IReadOnlyList<Sequence> members)
    {
        foreach (var member in members)
            member.Status = SequenceStatus.Waiting;
        Count += members.Count;
        if (joinSiblings && _entries.Find(entry => entry.IsSiblingOf(members[0])) is { } siblings)
        {
            siblings.Members.AddRange(members);
            siblings.Members.Sort((one, other) => one.Id.Sample.CompareTo(other.Id.Sample));
            return;
        }
        var place = _entries.FindIndex(entry => entry.IsAfter(members[0]));
        var entry = new WaitingEntry([.. members]);
        if (place < 0)
            _entries.Add(entry);
        else
            _entries.Insert(place, entry);
    }

    /// <summary>Takes up to <paramref name="most"/> members of the first entry out of the queue.</summary>
    public Sequence[] Take(int most)
    {
        var entry = _entries[0];
        var taken = entry.Members.GetRange(0, Math.Min(most, entry.Members.Count)).ToArray();
        entry.Members.RemoveRange(0, taken.Length);
        if (entry.Members.Count == 0)
            _entries.RemoveAt(0);
        Count -= taken.Length;
        return taken;
    }

    /// <summary>Removes a sequence that ended while it waited.</summary>
    public void Remove(Sequence sequence)
    {
        foreach (var entry in _entries)
            Count -= entry.Members.Remove(sequence) ? 1 : 0;
        _entries.RemoveAll(entry => entry.Members.Count == 0);
    }

    /// <summary>Removes all waiting sequences of a group.</summary>
    public void Remove(GroupId group)
    {
        foreach (var entry in _entries)
            Count -= entry.Members.RemoveAll(member => member.Id.Group == group);
        _entries.RemoveAll(entry => entry.Members.Count == 0);
    }
}

/// <summary>Sequences of one group that hold the same tokens.</summary>
public sealed record WaitingEntry(List<Sequence> Members)
{
    /// <summary>Its first member is younger: a later group, or a later sample of the same.</summary>
    public bool IsAfter(Sequence other) =>
        (Members[0].Age, Members[0].Id.Sample).CompareTo((other.Age, other.Id.Sample)) > 0;

    /// <summary>Its members hold the same tokens as this sequence, their prompt alone, and are as much to be trusted.</summary>
    public bool IsSiblingOf(Sequence other) =>
        Members[0].Id.Group == other.Id.Group
        && Members[0].Failures == other.Failures
        && Members[0].Count == Members[0].PromptLength
        && Members[0].Pending == 0
        && other.Count == other.PromptLength
        && other.Pending == 0;
}
