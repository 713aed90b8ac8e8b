using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>
/// Decides what each step of one engine computes. <see cref="Demand"/> asks the ledger for the next step's blocks,
/// <see cref="Plan"/> turns the grant into a batch, <see cref="Complete"/> or <see cref="Fail"/> takes the result of
/// the oldest planned step. Two steps may be planned at once: rows of the second name the tokens of the first by their
/// draws. StepPlanner.Interruptions.cs has the sequences that leave, or start over, before they have finished.
/// </summary>
internal sealed partial class StepPlanner(
    EngineLimits limits, KvCacheGeometry geometry, int vocabularySize, HuggingFaceTokenizer? tokenizer)
{
    private readonly SequenceRegister _sequences = new(tokenizer);
    private readonly WaitingQueue _waiting = new(limits, geometry.BlockSize);
    private readonly RunningSet _running = new();
    private readonly Queue<StepPlan> _planned = [];     // oldest first
    private readonly List<SampleOutcome> _outcomes = [];
    private readonly StepBuilder _builder = new(limits, geometry);
    private long _steps;

    /// <summary>A demand is out whose grant has not been planned.</summary>
    public bool IsDemandOut { get; private set; }

    /// <summary>There is something to compute, or there are blocks to give back.</summary>
    public bool HasWork => !_running.IsEmpty || !_waiting.IsEmpty;

    /// <summary>Steps planned, and neither completed nor failed.</summary>
    public int StepsUnderWay => _planned.Count;

    /// <summary>Samples that were added and have not ended.</summary>
    public IEnumerable<Sequence> Sequences => _sequences.All;

    /// <inheritdoc cref="DecodeEngine.Add(GroupRequest, IReadOnlyList{SampleStart})"/>
    public void Add(GroupRequest group, IReadOnlyList<SampleStart> samples)
    {
        if (limits.WhyRefused(group, samples, vocabularySize, tokenizer is not null) is { } reason)
        {
            FailGroup(group.Id, reason);
            return;
        }
        var fresh = new List<Sequence>();
        foreach (var sequence in _sequences.Add(group, samples))
        {
            if (sequence.IsFinished)
                _outcomes.Add(new SampleFinished(group.Id, sequence.ToCompletion()));
            else if (sequence.SampledCount > 0 || limits.StaticBatch)
                _waiting.Add([sequence]);
            else
                fresh.Add(sequence);
        }
        if (fresh.Count > 0)
            _waiting.Add(fresh);
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
        var admissions = isFull ? [] : _waiting.Ask(_running);
        return _running.Demand(++_steps, version, admissions);
    }

    /// <summary>
    /// Applies a grant and composes the step. One without rows needs neither computation nor completion.
    /// </summary>
    public StepPlan Plan(StepGrant grant)
    {
        if (!IsDemandOut || grant.Step != _steps)
            throw new InvalidOperationException($"got a grant of step {grant.Step}, expected step {_steps}");
        IsDemandOut = false;
        // The grant may name sequences that finished or were aborted after the demand: those parts are ignored.
        foreach (var id in grant.Preempted)
        {
            if (_sequences.FindHolder(id) is { } sequence)
            {
                _running.RemovePreempted(sequence);
                _waiting.Add([sequence]);
            }
        }
        foreach (var change in grant.Changes)
            _sequences.FindHolder(change.Sequence)?.SetBlock(change.Index, change.Block);
        Admit(grant.Answers);
        var plan = _builder.Build(_running, grant.Copies);
        if (plan.Batch.RowCount > 0)
            _planned.Enqueue(plan);
        // Copies of a step without rows belong to sequences that have ended: a growing sequence always has a row.
        else if (Array.Exists(grant.Changes, change => _sequences.FindHolder(change.Sequence) is not null))
            throw new InvalidOperationException($"step {grant.Step} has no rows, but a sequence in it grows");
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
            var isWaiting = !sequence.HoldsBlocks;      // it was preempted while this token was on its way
            taken++;
            sequence.Append(
                output.Tokens[i],
                output.Logprobs[i],
                policy,
                sequence.Sampling.Filters ? output.SamplingLogprobs[i] : null);
            if (sequence.IsFinished)
                Finish(sequence, isWaiting);
        }
        _planned.Dequeue();     // last: what throws above fails this step
        return (plan.PrefillTokens, taken);
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

    private void Admit(AdmissionAnswer[] answers)
    {
        var asked = _waiting.AcceptAnswers(answers);
        for (var i = 0; i < asked.Length; i++)
        {
            var members = asked[i].Where(member => !member.IsFinished).ToList();
            switch (answers[i])
            {
                case AdmissionAnswer.Granted granted:
                    foreach (var gone in asked[i].Where(member => member.IsFinished))
                        _running.QueueRelease(gone);
                    if (members.Count > 0)
                        _running.Add(members, granted);
                    break;
                case AdmissionAnswer.Refused refused when members.Count > 0:
                    FailGroup(
                        members[0].Id.Group,
                        $"a sequence of {members.Max(member => member.MaxLength)} tokens needs {refused.Needed} blocks"
                        + $" and the pool has {refused.Capacity}");
                    break;
            }
        }
    }

    private void Finish(Sequence sequence, bool isWaiting)
    {
        if (isWaiting)
            _waiting.Remove(sequence);
        else if (limits.StaticBatch)
            _running.KeepRow(sequence);
        else
            _running.ReleaseBlocks(sequence);
        _sequences.Remove(sequence);
        _outcomes.Add(new SampleFinished(sequence.Id.Group, sequence.ToCompletion()));
    }
}
