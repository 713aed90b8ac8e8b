using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Batching;

/// <summary>
/// Decides what each step of one decoder computes. A step's life: <see cref="Demand"/> asks the pool for the blocks of
/// the next step, while the step before it may still run; <see cref="Plan"/> turns the grant into a batch;
/// <see cref="Complete"/> (or <see cref="Fail"/>) takes the step's result. Finished and failed groups wait in
/// <see cref="TakeOutcomes"/>.
/// </summary>
/// <param name="limits">What a step may hold.</param>
/// <param name="geometry">The pool's.</param>
/// <param name="sequenceKey">The key of a sequence's randomness, by seed and id.</param>
/// <param name="tokenizer">Reads along for stop texts; without one, groups that ask for them are rejected.</param>
public sealed class StepPlanner(
    PlannerLimits limits,
    KvCacheGeometry geometry,
    Func<ulong, SequenceId, ulong> sequenceKey,
    HuggingFaceTokenizer? tokenizer = null)
{
    private readonly RequestQueue _waiting = new(joinSiblings: !limits.StaticBatch);
    private readonly List<Prefill> _prefills = [];                  // oldest first
    private readonly List<Sequence> _held = [];                     // with blocks and unfinished, oldest first
    private readonly List<Sequence> _finishedRows = [];             // static batch: computed along
    private readonly Dictionary<SequenceId, Sequence> _sequences = [];
    private readonly Dictionary<GroupId, GroupProgress> _groups = [];
    private readonly List<SequenceRelease> _releases = [];
    private readonly List<WrittenTokens> _written = [];
    private readonly List<(Prefill Prefill, int Tokens)> _chunks = [];
    private readonly List<Sequence> _drawn = [];
    private readonly List<GroupOutcome> _outcomes = [];
    private readonly BatchBuilder _builder = new(geometry);
    private List<Sequence[]> _asked = [];
    private long _steps;
    private long _arrivals;
    private int _admissions;

    /// <summary>A demand is out whose grant has not been planned.</summary>
    public bool IsDemandOut { get; private set; }

    /// <summary>There is something to compute, or blocks to give back.</summary>
    public bool HasWork =>
        _held.Count > 0 || !_waiting.IsEmpty || _releases.Count > 0 || _finishedRows.Count > 0;

    /// <summary>Prompt tokens in the batch planned last.</summary>
    public int PlannedPrefillTokens => _chunks.Sum(chunk => chunk.Tokens);

    /// <summary>Takes a new group. One that can never run is rejected at once, with the reason among the outcomes.</summary>
    public void Add(GroupRequest group)
    {
        if (_groups.ContainsKey(group.Id))
            return;
        var longest = group.Prompt.Length + group.Samples.Max(sample => sample.MaxTokens);
        if (longest > limits.MaxModelLength)
        {
            _outcomes.Add(new GroupFailed(
                group.Id,
                $"prompt of {group.Prompt.Length} and {longest - group.Prompt.Length} new tokens exceed the longest"
                + $" sequence of {limits.MaxModelLength} tokens"));
            return;
        }
        if (tokenizer is null && Array.Exists(group.Samples, sample => sample.StopTexts.Length > 0))
        {
            _outcomes.Add(new GroupFailed(group.Id, "it has stop texts, and the model has no tokenizer to find them with"));
            return;
        }

        var age = _arrivals++;
        var members = Enumerable.Range(0, group.Samples.Length)
            .Select(i => new Sequence(
                group,
                i,
                sequenceKey(group.Samples[i].Seed, new SequenceId(group.Id, i)),
                age,
                tokenizer is not null && group.Samples[i].StopTexts is [_, ..] texts
                    ? new StopTextSearch(tokenizer, texts)
                    : null))
            .ToArray();
        _groups.Add(group.Id, new GroupProgress(members));
        foreach (var member in members)
            _sequences.Add(member.Id, member);
        if (limits.StaticBatch)
            Array.ForEach(members, member => _waiting.Add([member]));
        else
            _waiting.Add(members);
    }

    /// <summary>Forgets a group and gives its blocks back. Unknown groups are ignored.</summary>
    public void Abort(GroupId id)
    {
        if (!_groups.Remove(id, out var group))
            return;
        _waiting.Remove(id);
        foreach (var member in group.Members)
        {
            if (member.Status is SequenceStatus.Prefilling or SequenceStatus.Running)
                Release(member);
            _sequences.Remove(member.Id);
            member.Status = SequenceStatus.Finished;
        }
        _finishedRows.RemoveAll(row => row.Id.Group == id && ReleaseRow(row));
    }

    /// <summary>Asks for the blocks of the step after the one planned last, whether or not that one has finished.</summary>
    public StepDemand Demand(PolicyVersion version)
    {
        if (IsDemandOut)
            throw new InvalidOperationException("a demand is already out");
        IsDemandOut = true;
        if (_held.Count == 0)
            _finishedRows.RemoveAll(ReleaseRow);
        var growth = new SequenceGrowth[_held.Count];
        for (var i = 0; i < growth.Length; i++)
            growth[i] = new SequenceGrowth(_held[i].Id, _held[i].Admission, LengthAfterNextStep(_held[i]));
        var demand = new StepDemand
        {
            Step = ++_steps,
            Version = version,
            Written = [.. _written],
            Releases = [.. _releases],
            Growth = growth,
            Admissions = AskAdmissions(),
        };
        _written.Clear();
        _releases.Clear();
        return demand;
    }

    /// <summary>Applies a grant and composes the step: a token of every running sequence, then prompt chunks.</summary>
    /// <returns>The batch, without rows when there is nothing to compute; valid until the next call.</returns>
    public ForwardBatch Plan(StepGrant grant)
    {
        if (!IsDemandOut || grant.Step != _steps)
            throw new InvalidOperationException($"grant of step {grant.Step} where step {_steps} was asked for");
        IsDemandOut = false;
        _builder.Clear();
        _chunks.Clear();
        _drawn.ForEach(sequence => sequence.DrawsNow = false);
        _drawn.Clear();
        Preempt(grant.Preempted);
        foreach (var change in grant.Changes)
        {
            // A sequence that finished after the demand was made needs its grant no more.
            if (_sequences.TryGetValue(change.Sequence, out var sequence) && HoldsBlocks(sequence))
                sequence.SetBlock(change.Index, change.Block);
        }
        _builder.Batch.Copies.AddRange(grant.Copies);
        Admit(grant.Admissions);
        Compose();
        return _builder.Batch;
    }

    /// <summary>Takes what the batch planned last has sampled.</summary>
    public void Complete(StepOutput output, PolicyVersion version)
    {
        if (output.Count != _drawn.Count)
            throw new InvalidOperationException($"{output.Count} tokens for {_drawn.Count} draws");
        foreach (var (prefill, tokens) in _chunks)
        {
            prefill.Computed += tokens;
            var leader = prefill.Members[0];
            _written.Add(new WrittenTokens(leader.Id, leader.Admission, prefill.Computed));
            if (prefill.Remaining == 0)
                prefill.Members.ForEach(member => member.Status = SequenceStatus.Running);
        }
        _prefills.RemoveAll(prefill => prefill.Remaining == 0);
        for (var i = 0; i < _drawn.Count; i++)
        {
            var sequence = _drawn[i];
            sequence.Failures = 0;      // only a token is progress: a prompt that fails in its third chunk would go on for ever
            sequence.Append(output.Tokens[i], output.Logprobs[i], version);
            if (sequence.Status == SequenceStatus.Finished)
                Finish(sequence);
        }
    }

    /// <summary>
    /// The batch planned last was not computed, or not wholly: what it wrote is not trusted. Its sequences start over
    /// from their tokens, each alone in its last try; one that failed too often fails its group.
    /// </summary>
    public void Fail(Exception cause)
    {
        var suspects = _drawn.Concat(_chunks.SelectMany(chunk => chunk.Prefill.Members)).Distinct().ToArray();
        foreach (var sequence in suspects)
        {
            sequence.Failures++;
            if (!_groups.ContainsKey(sequence.Id.Group))
                continue;
            if (sequence.Failures > limits.MaxStepRetries)
                FailGroup(sequence.Id.Group, $"{sequence.Id} failed in {sequence.Failures} steps: {cause.Message}");
            else
                Requeue(sequence);
        }
    }

    /// <summary>Takes all sequences' blocks away: their keys and values are of an older policy. They keep their tokens.</summary>
    public void RequeueAll()
    {
        foreach (var sequence in _held.ToArray())
            Requeue(sequence);
        _finishedRows.RemoveAll(ReleaseRow);
    }

    /// <summary>Groups that ended since the last call.</summary>
    public IReadOnlyList<GroupOutcome> TakeOutcomes()
    {
        if (_outcomes.Count == 0)
            return [];
        var taken = _outcomes.ToArray();
        _outcomes.Clear();
        return taken;
    }

    private static bool HoldsBlocks(Sequence sequence) =>
        sequence.Status is SequenceStatus.Prefilling or SequenceStatus.Running;

    private bool IsLive(Sequence sequence) =>
        _sequences.TryGetValue(sequence.Id, out var known) && ReferenceEquals(known, sequence);

    /// <summary>
    /// Tokens in the cache after the step that is asked for. One that draws in the planned step computes the drawn
    /// token in the next; the last token of all is never computed.
    /// </summary>
    private static int LengthAfterNextStep(Sequence sequence) =>
        sequence.DrawsNow ? Math.Min(sequence.Count + 1, sequence.MaxLength - 1) : sequence.Count;

    private AdmissionRequest[] AskAdmissions()
    {
        var requests = new List<AdmissionRequest>();
        var slots = limits.MaxNumSeqs - _held.Count;
        var tokens = limits.MaxNumBatchedTokens - _prefills.Sum(prefill => prefill.Remaining);
        if (limits.StaticBatch && _held.Count > 0)
            return [];
        while (!_waiting.IsEmpty && slots > 0 && (tokens > 0 || limits.StaticBatch) && MayJoin(_waiting.First.Members[0]))
        {
            var members = _waiting.Take(IsLastTry(_waiting.First.Members[0]) ? 1 : slots);
            _asked.Add(members);
            slots -= members.Length;
            tokens -= members[0].Count;
            requests.Add(new AdmissionRequest(
                [.. members.Select(member => member.Id)],
                ++_admissions,
                members[0].Tokens.ToArray(),
                members.Max(member => member.MaxLength)));
            foreach (var member in members)
                member.Admission = _admissions;
        }
        return [.. requests];
    }

    /// <summary>A sequence in its last try runs alone, so that it can fail no other.</summary>
    private bool MayJoin(Sequence candidate)
    {
        var alone = _held.Count == 0 && _asked.Count == 0;
        var besideSuspect = _held.Exists(IsLastTry) || _asked.Exists(members => IsLastTry(members[0]));
        return alone || (!IsLastTry(candidate) && !besideSuspect);
    }

    private bool IsLastTry(Sequence sequence) =>
        sequence.Failures > 0 && sequence.Failures == limits.MaxStepRetries;

    private void Preempt(SequenceId[] preempted)
    {
        foreach (var id in preempted)
        {
            // It may have finished, or been aborted, after the demand was made.
            if (!_sequences.TryGetValue(id, out var sequence) || !HoldsBlocks(sequence))
                continue;
            DropFromStep(sequence);
            _waiting.Add([sequence]);
        }
    }

    private void Admit(Admission[] admissions)
    {
        var asked = _asked;
        _asked = [];
        for (var i = 0; i < asked.Count; i++)
        {
            var members = asked[i].Where(IsLive).ToList();
            switch (admissions[i])
            {
                case Admission.Granted granted:
                    foreach (var gone in asked[i].Except(members))
                        _releases.Add(new SequenceRelease(gone.Id, gone.Admission));
                    if (members.Count > 0)
                        Hold(members, granted);
                    break;
                case Admission.Deferred when members.Count > 0:
                    _waiting.Add(members);
                    break;
                case Admission.Refused refused when members.Count > 0:
                    FailGroup(
                        members[0].Id.Group,
                        $"a sequence of {members.Max(member => member.MaxLength)} tokens needs {refused.Needed} blocks"
                        + $" and the pool has {refused.Capacity}");
                    break;
            }
        }
    }

    private void Hold(List<Sequence> members, Admission.Granted granted)
    {
        foreach (var member in members)
        {
            member.TakeBlocks(granted.Blocks);
            member.Status = SequenceStatus.Prefilling;
            var place = _held.FindIndex(other =>
                (other.Age, other.Id.Sample).CompareTo((member.Age, member.Id.Sample)) > 0);
            _held.Insert(place < 0 ? _held.Count : place, member);
        }
        _prefills.Add(new Prefill(members, granted.CachedTokens));
    }

    private void Compose()
    {
        foreach (var sequence in _held)
        {
            if (sequence.Status == SequenceStatus.Running)
                AddDecodeRow(sequence);
        }
        foreach (var row in _finishedRows)
            _builder.AddRow(row, row.Count - 1, 1);
        var budget = limits.MaxNumBatchedTokens - _builder.Batch.TokenCount;
        foreach (var prefill in _prefills)
        {
            if (budget <= 0)
                break;
            var tokens = Math.Min(budget, prefill.Remaining);
            var row = _builder.AddRow(prefill.Members[0], prefill.Computed, tokens);
            _chunks.Add((prefill, tokens));
            budget -= tokens;
            if (tokens < prefill.Remaining)
                break;
            foreach (var member in prefill.Members)
                AddDraw(row, member);
        }
    }

    private void AddDecodeRow(Sequence sequence) =>
        AddDraw(_builder.AddRow(sequence, sequence.Count - 1, 1), sequence);

    private void AddDraw(int row, Sequence sequence)
    {
        _builder.AddDraw(row, sequence);
        _drawn.Add(sequence);
        sequence.DrawsNow = true;
    }

    private void Finish(Sequence sequence)
    {
        _held.Remove(sequence);
        if (limits.StaticBatch)
            _finishedRows.Add(sequence);
        else
            Release(sequence);
        _sequences.Remove(sequence.Id);
        var group = _groups[sequence.Id.Group];
        if (--group.Unfinished > 0)
            return;
        _groups.Remove(sequence.Id.Group);
        _outcomes.Add(new GroupFinished(
            sequence.Id.Group, [.. group.Members.Select(member => member.ToCompletion())]));
    }

    private void FailGroup(GroupId id, string reason)
    {
        Abort(id);
        _outcomes.Add(new GroupFailed(id, reason));
    }

    private void Requeue(Sequence sequence)
    {
        if (!HoldsBlocks(sequence))
            return;
        Release(sequence);
        _waiting.Add([sequence]);
    }

    private void Release(Sequence sequence)
    {
        _releases.Add(new SequenceRelease(sequence.Id, sequence.Admission));
        DropFromStep(sequence);
    }

    private bool ReleaseRow(Sequence row)
    {
        _releases.Add(new SequenceRelease(row.Id, row.Admission));
        row.DropBlocks();
        return true;
    }

    private void DropFromStep(Sequence sequence)
    {
        sequence.DropBlocks();
        _held.Remove(sequence);
        foreach (var prefill in _prefills)
            prefill.Members.Remove(sequence);
        _prefills.RemoveAll(prefill => prefill.Members.Count == 0);
    }

    private sealed class GroupProgress(Sequence[] members)
    {
        public Sequence[] Members { get; } = members;

        public int Unfinished { get; set; } = members.Length;
    }
}
