using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Batching;

/// <summary>
/// Decides what each step of one decoder computes. A step's life: <see cref="Demand"/> asks the pool for the blocks of
/// the next step, while the steps before it may still run; <see cref="Plan"/> turns the grant into a batch;
/// <see cref="Complete"/> (or <see cref="Fail"/>) takes the result of the oldest step that was planned and has none.
/// One more step may be planned before that: its rows name the tokens that they wait for by their draws. Samples that
/// ended wait in <see cref="TakeOutcomes"/>.
/// </summary>
public sealed class StepPlanner
{
    private readonly PlannerLimits _limits;
    private readonly SequenceFactory _factory;
    private readonly SequenceRoster _roster = new();
    private readonly RequestQueue _waiting;
    private readonly AdmissionPlan _admissions;
    private readonly BlockHolders _holders = new();
    private readonly Queue<PlannedStep> _planned = [];              // oldest first
    private readonly List<SampleOutcome> _outcomes = [];
    private readonly StepComposer _composer;
    private long _steps;
    private long _arrivals;

    /// <param name="limits">What a step may hold.</param>
    /// <param name="geometry">The pool's.</param>
    /// <param name="sequenceKey">The key of a sequence's randomness, by seed and id.</param>
    /// <param name="tokenizer">Reads along for stop texts; without one, groups that ask for them are rejected.</param>
    public StepPlanner(
        PlannerLimits limits,
        KvCacheGeometry geometry,
        Func<ulong, SequenceId, ulong> sequenceKey,
        HuggingFaceTokenizer? tokenizer = null)
    {
        _limits = limits;
        _factory = new SequenceFactory(limits, sequenceKey, tokenizer);
        _waiting = new RequestQueue(joinSiblings: !limits.StaticBatch);
        _admissions = new AdmissionPlan(limits, _waiting);
        _composer = new StepComposer(limits, geometry);
    }

    /// <summary>A demand is out whose grant has not been planned.</summary>
    public bool IsDemandOut { get; private set; }

    /// <summary>There is something to compute, or blocks to give back.</summary>
    public bool HasWork => !_holders.IsEmpty || !_waiting.IsEmpty;

    /// <summary>Steps planned and neither completed nor failed.</summary>
    public int StepsUnderWay => _planned.Count;

    /// <summary>Prompt tokens in the oldest of those.</summary>
    public int PlannedPrefillTokens => _planned.Peek().PrefillTokens;

    /// <summary>Samples that were added and have not ended.</summary>
    public IReadOnlyCollection<Sequence> Sequences => _roster.All;

    /// <summary>Takes a new group, all of its samples.</summary>
    public void Add(GroupRequest group) =>
        Add(group, [.. group.Samples.Select((_, sample) => SampleStart.New(sample))]);

    /// <summary>
    /// Takes samples of a group; those that are here already stay as they are. A group that can never run is rejected at
    /// once, with the reason among the outcomes.
    /// </summary>
    public void Add(GroupRequest group, IReadOnlyList<SampleStart> samples)
    {
        if (_factory.WhyNever(group) is { } reason)
        {
            _outcomes.Add(new SamplesFailed(group.Id, reason));
            return;
        }
        var age = _roster.Of(group.Id) is [var sibling, ..] ? sibling.Age : _arrivals++;
        var fresh = new List<Sequence>();
        foreach (var start in samples)
        {
            if (_roster.Contains(new SequenceId(group.Id, start.Sample)))
                continue;
            var sequence = _factory.Create(group, start, age);
            if (sequence.Status == SequenceStatus.Finished)
            {
                _outcomes.Add(new SampleFinished(group.Id, sequence.ToCompletion()));
                continue;
            }
            _roster.Add(sequence);
            if (start.Sampled.Count > 0 || _limits.StaticBatch)
                _waiting.Add([sequence]);
            else
                fresh.Add(sequence);
        }
        if (fresh.Count > 0)
            _waiting.Add(fresh);
    }

    /// <summary>Forgets a group and gives its blocks back. Unknown groups are ignored.</summary>
    public void Abort(GroupId id)
    {
        foreach (var member in _roster.Of(id).ToArray())
            Forget(member);
        _holders.ReleaseRows(id);
    }

    /// <summary>Forgets samples of a group, and says how far they were.</summary>
    /// <param name="id">The group; an unknown one has none.</param>
    /// <param name="samples">Which; null takes all.</param>
    /// <param name="runningToo">Also those that hold blocks; else only those that wait.</param>
    public IReadOnlyList<SampleStart> Recall(GroupId id, IReadOnlyCollection<int>? samples, bool runningToo)
    {
        var recalled = _roster.Of(id)
            .Where(member => samples?.Contains(member.Id.Sample) != false && (runningToo || !BlockHolders.Holds(member)))
            .ToArray();
        Array.ForEach(recalled, Forget);
        return [.. recalled.Select(member => member.ToStart())];
    }

    /// <summary>Asks for the blocks of the step after the one planned last, whether or not that one has finished.</summary>
    public StepDemand Demand(PolicyVersion version)
    {
        if (IsDemandOut)
            throw new InvalidOperationException("a demand is already out");
        IsDemandOut = true;
        return _holders.Demand(++_steps, version, _admissions.Ask(_holders.Unfinished, _holders.TokensToPrefill));
    }

    /// <summary>Applies a grant and composes the step: a token of every running sequence, then prompt chunks.</summary>
    /// <returns>
    /// The batch, valid until the next call. Without rows there is nothing to compute, and the step needs no completion.
    /// </returns>
    public ForwardBatch Plan(StepGrant grant)
    {
        if (!IsDemandOut || grant.Step != _steps)
            throw new InvalidOperationException($"grant of step {grant.Step} where step {_steps} was asked for");
        IsDemandOut = false;
        _composer.Begin(grant.Copies);
        Preempt(grant.Preempted);
        foreach (var change in grant.Changes)
        {
            // A sequence that finished after the demand was made needs its grant no more.
            if (_roster.Find(change.Sequence) is { } sequence && BlockHolders.Holds(sequence))
                sequence.SetBlock(change.Index, change.Block);
        }
        Admit(grant.Admissions);
        var step = _holders.Compose(_composer);
        if (_composer.Batch.RowCount > 0)
            _planned.Enqueue(step);
        return _composer.Batch;
    }

    /// <summary>Takes what the oldest planned step has sampled under a policy.</summary>
    public void Complete(StepOutput output, Policy policy)
    {
        var step = _planned.Dequeue();
        if (output.Count != step.Draws.Count)
            throw new InvalidOperationException($"{output.Count} tokens for {step.Draws.Count} draws");
        foreach (var (prefill, tokens) in step.Chunks)
            _holders.Computed(prefill, tokens);
        for (var i = 0; i < step.Draws.Count; i++)
        {
            if (!step.Draws[i].IsAwaited)
                continue;
            var sequence = step.Draws[i].Sequence;
            sequence.Failures = 0;      // only a token is progress: a prompt that fails in its third chunk would go on for ever
            sequence.Append(output.Tokens[i], output.Logprobs[i], policy);
            if (sequence.Status == SequenceStatus.Finished)
                Finish(sequence);
        }
    }

    /// <summary>
    /// The oldest planned step was not computed, or not wholly: what it wrote is not trusted. Its sequences start over
    /// from their tokens, each alone in its last try; one that failed too often fails its group.
    /// </summary>
    public void Fail(Exception cause)
    {
        var step = _planned.Dequeue();
        var suspects = step.Draws.Where(draw => draw.IsAwaited).Select(draw => draw.Sequence)
            .Concat(step.Chunks.SelectMany(chunk => chunk.Prefill.Members)).Distinct().ToArray();
        foreach (var sequence in suspects)
        {
            sequence.Failures++;
            sequence.StartOver();
            if (!_roster.IsLive(sequence))
                continue;
            if (sequence.Failures > _limits.MaxStepRetries)
                FailGroup(sequence.Id.Group, $"{sequence.Id} failed in {sequence.Failures} steps: {cause.Message}");
            else
                Requeue(sequence);
        }
    }

    /// <summary>
    /// Takes all sequences' blocks away: their keys and values are of an older policy. They keep their tokens. No step
    /// may be under way.
    /// </summary>
    public void RequeueAll()
    {
        foreach (var sequence in _holders.Unfinished.ToArray())
            Requeue(sequence);
        _holders.ReleaseRows();
        _holders.ForgetWritten();
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

    private void Preempt(SequenceId[] preempted)
    {
        foreach (var id in preempted)
        {
            // It may have finished, or been aborted, after the demand was made.
            if (_roster.Find(id) is not { } sequence || !BlockHolders.Holds(sequence))
                continue;
            _holders.Drop(sequence);
            _waiting.Add([sequence]);
        }
    }

    private void Admit(Admission[] admissions)
    {
        var asked = _admissions.TakeAsked();
        for (var i = 0; i < asked.Count; i++)
        {
            var members = asked[i].Where(_roster.IsLive).ToList();
            switch (admissions[i])
            {
                case Admission.Granted granted:
                    foreach (var gone in asked[i].Except(members))
                        _holders.GiveBack(gone);
                    if (members.Count > 0)
                        _holders.Hold(members, granted);
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

    private void Finish(Sequence sequence)
    {
        _waiting.Remove(sequence);      // it was preempted while its last token was on its way
        if (_limits.StaticBatch)
            _holders.KeepRow(sequence);
        else
            _holders.Release(sequence);
        _roster.Remove(sequence);
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
        if (BlockHolders.Holds(sequence))
            _holders.Release(sequence);
        _roster.Remove(sequence);
        sequence.Status = SequenceStatus.Finished;
    }

    private void Requeue(Sequence sequence)
    {
        if (!BlockHolders.Holds(sequence))
            return;
        _holders.Release(sequence);
        sequence.StartOver();
        _waiting.Add([sequence]);
    }
}
