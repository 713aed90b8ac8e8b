using Rollout.Actors.Blocks;

namespace Rollout.Actors.Engine;

/// <summary>
/// The sequences that wait for blocks, oldest first: new groups at the end, preempted and retried sequences at the
/// place of their age. Samples of a group that have sampled nothing yet are one entry, so that their prompt is computed
/// once.
/// </summary>
internal sealed class WaitingQueue(EngineLimits limits)
{
    private readonly List<Entry> _entries = [];
    private List<Sequence[]> _asked = [];
    private AdmissionId _lastAdmission;

    public bool IsEmpty => _entries.Count == 0;

    /// <summary>Queues sequences of one group that hold the same tokens.</summary>
    public void Add(IReadOnlyList<Sequence> members)
    {
        foreach (var member in members)
            member.Status = SequenceStatus.Waiting;
        // In the static baseline every sample computes its own prompt.
        if (!limits.StaticBatch && _entries.Find(entry => entry.IsSiblingOf(members[0])) is { } siblings)
        {
            siblings.Members.AddRange(members);
            siblings.Members.Sort((one, other) => one.Id.Sample.CompareTo(other.Id.Sample));
            return;
        }
        var place = _entries.FindIndex(entry => entry.IsAfter(members[0]));
        _entries.Insert(place < 0 ? _entries.Count : place, new Entry([.. members]));
    }

    /// <summary>Removes a sequence, if it waits.</summary>
    public void Remove(Sequence sequence)
    {
        foreach (var entry in _entries)
            entry.Members.Remove(sequence);
        _entries.RemoveAll(entry => entry.Members.Count == 0);
    }

    /// <summary>
    /// Takes prompts off the queue and asks for their blocks: first come first served, as many as there are places and
    /// tokens left.
    /// </summary>
    /// <param name="running">Sequences with blocks.</param>
    /// <param name="prefillTokens">Prompt tokens of those that are in no step yet.</param>
    public AdmissionRequest[] Ask(int running, int prefillTokens)
    {
        if (IsEmpty)
            return [];
        var requests = new List<AdmissionRequest>();
        var slots = limits.MaxNumSeqs - running;
        var tokens = limits.MaxNumBatchedTokens - prefillTokens;
        // A sequence that was preempted with a token on its way waits for that token, which is part of its prompt.
        while (!IsEmpty && slots > 0 && (tokens > 0 || limits.StaticBatch) && _entries[0].Members[0].Pending == 0)
        {
            var members = Take(slots);
            _asked.Add(members);
            _lastAdmission = _lastAdmission.Next();
            slots -= members.Length;
            tokens -= members[0].Count;
            requests.Add(new AdmissionRequest(
                Array.ConvertAll(members, member => member.Id),
                _lastAdmission,
                members[0].TokenMemory,
                members.Max(member => member.MaxLength)));
            foreach (var member in members)
                member.Admission = _lastAdmission;
        }
        return [.. requests];
    }

    /// <summary>The sequences of the requests that are answered now, in their order.</summary>
    public List<Sequence[]> TakeAsked()
    {
        var asked = _asked;
        _asked = [];
        return asked;
    }

    /// <summary>Up to <paramref name="most"/> members of the first entry.</summary>
    private Sequence[] Take(int most)
    {
        var members = _entries[0].Members;
        var taken = members.GetRange(0, Math.Min(most, members.Count)).ToArray();
        members.RemoveRange(0, taken.Length);
        if (members.Count == 0)
            _entries.RemoveAt(0);
        return taken;
    }

    /// <summary>Sequences of one group that hold the same tokens.</summary>
    private sealed record Entry(List<Sequence> Members)
    {
        /// <summary>
        /// Its first member is younger than the other: of a later group, or a later sample of the same group.
        /// </summary>
        public bool IsAfter(Sequence other) =>
            (Members[0].Arrival, Members[0].Id.Sample).CompareTo((other.Arrival, other.Id.Sample)) > 0;

        /// <summary>
        /// Its members hold the same tokens as the other, their prompt alone, and have failed as often.
        /// </summary>
        public bool IsSiblingOf(Sequence other) =>
            Members[0].Id.Group == other.Id.Group
            && Members[0].Failures == other.Failures
            && Members[0].Count == Members[0].PromptLength
            && Members[0].Pending == 0
            && other.Count == other.PromptLength
            && other.Pending == 0;
    }
}
