using Rollout.Actors.Blocks;

namespace Rollout.Actors.Engine;

/// <summary>
/// The sequences that wait for blocks, oldest first: new groups at the end, preempted and retried sequences at the
/// place of their arrival. A group's prompt is computed once: samples that have sampled nothing yet are one entry, and the
/// others of a group follow when the first of them has put the prompt's blocks into the cache.
/// </summary>
internal sealed class WaitingQueue(EngineLimits limits, int blockSize)
{
    private readonly List<Entry> _entries = [];
    private List<Asked> _asked = [];
    private AdmissionId _lastAdmission;
    private int _cachedTokens;      // of the last answers
    private bool _isDeferred;       // by the last answers

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
        var place = _entries.FindIndex(entry => Sequence.ByAge.Compare(entry.Members[0], members[0]) > 0);
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
    /// Asks for the blocks of waiting prompts, which stay in the queue until they are granted: first come first served,
    /// as many as there are places and tokens left. Tokens that the last answers found in the cache cost no
    /// computation, so that as many more are asked for. After a deferral, only the oldest entry asks again.
    /// </summary>
    public AdmissionRequest[] Ask(RunningSet running)
    {
        if (IsEmpty)
            return [];
        var requests = new List<AdmissionRequest>();
        var places = limits.MaxNumSeqs - running.Sequences.Count;
        var tokens = limits.MaxNumBatchedTokens - running.TokensToPrefill + _cachedTokens;
        foreach (var entry in _entries)
        {
            var first = entry.Members[0];
            // A sequence that was preempted with a token on its way waits for that token, which is part of its prompt.
            if (places <= 0 || (tokens <= 0 && !limits.StaticBatch) || first.Pending > 0
                || (_isDeferred && requests.Count > 0))
                break;
            if (WaitsForPrompt(first, running))
                continue;
            _lastAdmission = _lastAdmission.Next();
            var members = entry.Members.Take(places).ToArray();
            foreach (var member in members)
                member.Admission = _lastAdmission;
            places -= members.Length;
            tokens -= first.Count;
            _asked.Add(new Asked(entry, members));
            requests.Add(new AdmissionRequest(
                Array.ConvertAll(members, member => member.Id),
                _lastAdmission,
                first.TokenMemory,
                members.Max(member => member.MaxLength)));
        }
        return [.. requests];
    }

    /// <summary>
    /// Removes what is granted, and returns the sequences that asked, some of which may have ended since then.
    /// </summary>
    /// <param name="answers">The answers to what was asked for last, in order.</param>
    public Sequence[][] AcceptAnswers(AdmissionAnswer[] answers)
    {
        (_cachedTokens, _isDeferred) = (0, false);
        for (var i = 0; i < answers.Length; i++)
        {
            var (entry, members) = _asked[i];
            _isDeferred |= answers[i] is AdmissionAnswer.Deferred;
            if (answers[i] is not AdmissionAnswer.Granted granted)
                continue;
            _cachedTokens += granted.CachedTokens;
            entry.Members.RemoveAll(members.Contains);
            if (entry.Members.Count == 0)
                _entries.Remove(entry);
        }
        var asked = _asked.ConvertAll(one => one.Members).ToArray();
        _asked.Clear();
        return asked;
    }

    /// <summary>
    /// True while a sample of the same group computes the common prompt, or asks for its blocks in this demand. Once it is
    /// computed, all others find it in the cache.
    /// </summary>
    private bool WaitsForPrompt(Sequence sequence, RunningSet running)
    {
        var group = sequence.Id.Group;
        return !limits.StaticBatch && sequence.PromptLength >= blockSize
            && (running.IsComputingPromptOf(group, blockSize)
                || (_asked.Count > 0 && _asked[^1].Members[0].Id.Group == group && !running.Holds(group)));
    }

    private readonly record struct Asked(Entry Entry, Sequence[] Members);

    /// <summary>Sequences of one group that hold the same tokens.</summary>
    private sealed class Entry(List<Sequence> members)
    {
        public List<Sequence> Members { get; } = members;

        /// <summary>The other is of the same group, neither has sampled a token, and both may share a step.</summary>
        public bool IsSiblingOf(Sequence other) =>
            Members[0].Id.Group == other.Id.Group
            && Members[0].IsOnLastTry == other.IsOnLastTry
            && Members[0].Count == Members[0].PromptLength
            && Members[0].Pending == 0
            && other.Count == other.PromptLength
            && other.Pending == 0;
    }
}
