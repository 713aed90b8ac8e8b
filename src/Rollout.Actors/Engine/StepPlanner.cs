using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;

namespace Rollout.Actors.Engine;

/// <summary>
/// Decides what each step of one engine computes. <see cref="Demand"/> asks the pool for the next step's blocks,
/// <see cref="Plan"/> turns the grant into a batch, <see cref="Complete"/> or <see cref="Fail"/> takes the result of
/// the oldest planned step. Two steps may be planned at once: rows of the second name the tokens of the first by their
/// draws.
/// </summary>
internal sealed class StepPlanner(
    EngineLimits limits, KvCacheGeometry geometry, int vocabularySize, HuggingFaceTokenizer? tokenizer)
{
    private readonly Dictionary<GroupId, Dictionary<int, Sequence>> _groups = [];    // unfinished sequences by sample
    private readonly WaitingQueue _waiting = new(limits);
    private readonly RunningSet _running = new();
    private readonly Queue<StepPlan> _planned = [];     // oldest first
    private readonly List<SampleOutcome> _outcomes = [];
    private readonly StepBuilder _builder = new(limits, geometry);
    private long _steps;
    private long _arrivals;

    /// <summary>A demand is out whose grant has not been planned.</summary>
    public bool IsDemandOut { get; private set; }

    /// <summary>There is something to compute, or there are blocks to give back.</summary>
    public bool HasWork => !_running.IsEmpty || !_waiting.IsEmpty;

    /// <summary>Steps planned, and neither completed nor failed.</summary>
    public int StepsUnderWay => _planned.Count;

    /// <summary>Samples that were added and have not ended.</summary>
    public IEnumerable<Sequence> Sequences => _groups.Values.SelectMany(samples => samples.Values);

    /// <inheritdoc cref="DecodeEngine.Add(GroupRequest, IReadOnlyList{SampleStart})"/>
    public void Add(GroupRequest group, IReadOnlyList<SampleStart> samples)
    {
        if (limits.WhyRefused(group, samples, vocabularySize, tokenizer is not null) is { } reason)
        {
            FailGroup(group.Id, reason);
            return;
        }
        var arrival = MembersOf(group.Id) is [var sibling, ..] ? sibling.Arrival : _arrivals++;
        var fresh = new List<Sequence>();
        foreach (var start in samples)
        {
            if (Find(new SequenceId(group.Id, start.Sample)) is not null)
                continue;
            var sequence = Create(group, start, arrival);
            if (sequence.IsFinished)
            {
                _outcomes.Add(new SampleFinished(group.Id, sequence.ToCompletion()));
                continue;
            }
            if (!_groups.TryGetValue(group.Id, out var members))
                _groups.Add(group.Id, members = []);
            members.Add(start.Sample, sequence);
            if (start.Sampled.Count > 0 || limits.StaticBatch)
                _waiting.Add([sequence]);
            else
                fresh.Add(sequence);
        }
        if (fresh.Count > 0)
            _waiting.Add(fresh);
    }

    /// <summary>Forgets a group and gives its blocks back. An unknown group is ignored.</summary>
    public void Abort(GroupId id)
    {
        foreach (var member in MembersOf(id))
            Forget(member);
        _running.ReleaseRows(id);
    }

    /// <inheritdoc cref="DecodeEngine.Recall"/>
    public IReadOnlyList<SampleStart> Recall(GroupId id, IReadOnlyCollection<int>? samples, bool runningToo)
    {
        var recalled = Array.FindAll(MembersOf(id), member =>
            samples?.Contains(member.Id.Sample) != false && (runningToo || !member.HoldsBlocks));
        Array.ForEach(recalled, Forget);
        return Array.ConvertAll(recalled, member => member.ToStart());
    }

    /// <summary>
    /// Asks for the blocks of the step after the one that was planned last, which may still be under way.
    /// </summary>
    public StepDemand Demand(PolicyVersion version)
    {
        if (IsDemandOut)
            throw new InvalidOperationException("a demand is already out");
        IsDemandOut = true;
        var isFull = limits.StaticBatch && _running.Sequences.Count > 0;
        var admissions = isFull ? [] : _waiting.Ask(_running.Sequences.Count, _running.TokensToPrefill);
        return _running.Demand(++_steps, version, admissions);
    }

    /// <summary>
    /// Applies a grant and composes the step. One without rows needs neither computation nor completion.
    /// </summary>
    public StepPlan Plan(StepGrant grant)
    {
        if (!IsDemandOut || grant.Step != _steps)
            throw new InvalidOperationException($"grant of step {grant.Step} where step {_steps} was asked for");
        IsDemandOut = false;
        // Whoever finished or was aborted after the demand was made needs its part of the grant no more.
        foreach (var id in grant.Preempted)
        {
            if (FindHolder(id) is { } sequence)
            {
                _running.Remove(sequence);
                _waiting.Add([sequence]);
            }
        }
        foreach (var change in grant.Changes)
            FindHolder(change.Sequence)?.SetBlock(change.Index, change.Block);
        Admit(grant.Admissions);
        var plan = _builder.Build(_running, grant.Copies);
        if (plan.Batch.RowCount > 0)
            _planned.Enqueue(plan);
        return plan;
    }

    /// <summary>
    /// Takes the tokens that the oldest planned step sampled under a policy. Returns how many prompt tokens it computed, and
    /// how many tokens its sequences took.
    /// </summary>
    public (int PrefillTokens, int NewTokens) Complete(StepOutput output, Policy policy)
    {
        var plan = _planned.Peek();
        if (output.Count != plan.Draws.Count)
            throw new InvalidOperationException($"{output.Count} tokens for {plan.Draws.Count} draws");
        foreach (var (prefill, tokens, _) in plan.Chunks)
            _running.MarkComputed(prefill, tokens);
        var taken = 0;
        for (var i = 0; i < plan.Draws.Count; i++)
        {
            if (!plan.Draws[i].IsAwaited)
                continue;
            var sequence = plan.Draws[i].Sequence;
            // Only a token is progress: a prompt whose third chunk always fails would otherwise be tried for ever.
            sequence.Failures = 0;
            taken++;
            sequence.Append(output.Tokens[i], output.Logprobs[i], policy);
            if (sequence.IsFinished)
                Finish(sequence);
        }
        _planned.Dequeue();     // last: what throws above fails this step
        return (plan.PrefillTokens, taken);
    }

    /// <summary>
    /// Takes the fault of the oldest planned step. Sequences that the fault names get one last try alone. If it names none,
    /// every member counts a failure. A sequence out of tries fails its group. After a faulty draw, other decoding sequences
    /// keep their blocks and only draw again; in all other cases members are prefilled again.
    /// </summary>
    public void Fail(Exception fault)
    {
        var plan = _planned.Dequeue();
        var culprits = plan.Culprits(fault);
        var keysAreWritten = fault is DrawFaultException;
        var members = plan.Members.ToArray();
        var prefilled = plan.Chunks.SelectMany(chunk => chunk.Prefill.Members).ToHashSet();
        foreach (var sequence in members)
        {
            if (sequence.IsFinished)    // with its group, for a fault of another sample
                continue;
            sequence.StartOver();
            var isBlamed = culprits?.Contains(sequence) != false;
            if (isBlamed)
                sequence.Failures = Math.Max(sequence.Failures + 1, culprits is null ? 0 : limits.MaxStepRetries);
            if (sequence.Failures > limits.MaxStepRetries)
                FailGroup(sequence.Id.Group, $"{sequence.Id} failed in {sequence.Failures} steps: {fault.Message}");
            else if (isBlamed || !keysAreWritten || prefilled.Contains(sequence))
                Requeue(sequence);
        }
        // The step's copies may not have been made, and others than its members go on from some of them.
        if (plan.CopiesBlocks && !keysAreWritten)
        {
            foreach (var sequence in _running.Sequences.Except(members).ToArray())
                Requeue(sequence);
        }
    }

    /// <summary>
    /// Takes all blocks away, because an older policy computed their keys and values. Sequences keep their tokens. No
    /// step may be under way.
    /// </summary>
    public void RequeueAll()
    {
        foreach (var sequence in _running.Sequences.ToArray())
            Requeue(sequence);
        _running.ReleaseRows();
        _running.ForgetWritten();
    }

    /// <summary>Samples that ended since the last call.</summary>
    public IReadOnlyList<SampleOutcome> TakeOutcomes()
    {
        if (_outcomes.Count == 0)
            return [];
        var taken = _outcomes.ToArray();
        _outcomes.Clear();
        return taken;
    }

    private void Admit(Admission[] admissions)
    {
        var asked = _waiting.TakeAsked();
        for (var i = 0; i < asked.Count; i++)
        {
            var members = asked[i].Where(member => !member.IsFinished).ToList();
            switch (admissions[i])
            {
                case Admission.Granted granted:
                    foreach (var gone in asked[i].Where(member => member.IsFinished))
                        _running.GiveBack(gone);
                    if (members.Count > 0)
                        _running.Add(members, granted);
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

    private Sequence Create(GroupRequest group, SampleStart start, long arrival)
    {
        var sampling = group.Samples[start.Sample];
        var key = SamplingRng.SequenceKey(sampling.Seed, new SequenceId(group.Id, start.Sample));
        var stopTexts = tokenizer is not null && sampling.StopTexts.Length > 0
            ? new StopTextSearch(tokenizer, sampling.StopTexts)
            : null;
        return new Sequence(group, start, key, arrival, stopTexts);
    }

    private Sequence[] MembersOf(GroupId id) => _groups.TryGetValue(id, out var members) ? [.. members.Values] : [];

    private Sequence? Find(SequenceId id) => _groups.GetValueOrDefault(id.Group)?.GetValueOrDefault(id.Sample);

    private Sequence? FindHolder(SequenceId id) => Find(id) is { HoldsBlocks: true } sequence ? sequence : null;

    private void Finish(Sequence sequence)
    {
        _waiting.Remove(sequence);      // it was preempted while its last token was on its way
        if (limits.StaticBatch)
            _running.KeepRow(sequence);
        else
            _running.Release(sequence);
        RemoveMember(sequence);
        _outcomes.Add(new SampleFinished(sequence.Id.Group, sequence.ToCompletion()));
    }

    private void FailGroup(GroupId id, string reason)
    {
        Abort(id);
        _outcomes.Add(new SamplesFailed(id, reason));
    }

    private void Forget(Sequence sequence)
    {
        _waiting.Remove(sequence);
        if (sequence.HoldsBlocks)
            _running.Release(sequence);
        RemoveMember(sequence);
        sequence.Status = SequenceStatus.Finished;
    }

    private void Requeue(Sequence sequence)
    {
        if (!sequence.HoldsBlocks)
            return;
        _running.Release(sequence);
        sequence.StartOver();
        _waiting.Add([sequence]);
    }

    private void RemoveMember(Sequence sequence)
    {
        var members = _groups[sequence.Id.Group];
        members.Remove(sequence.Id.Sample);
        if (members.Count == 0)
            _groups.Remove(sequence.Id.Group);
    }
}
