using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

// Sequences that leave, or start over, before they have finished: recalled, aborted, failed, or computed by an older policy.
internal sealed partial class StepPlanner
{
    /// <summary>Forgets a group and gives its blocks back. An unknown group is ignored.</summary>
    public void Abort(GroupId id)
    {
        foreach (var member in _sequences.MembersOf(id))
            Forget(member);
        _running.ReleaseRows(id);
    }

    /// <inheritdoc cref="DecodeEngine.Recall"/>
    public IReadOnlyList<SampleStart> Recall(GroupId id, IReadOnlyCollection<int>? samples, bool runningToo)
    {
        var recalled = Array.FindAll(_sequences.MembersOf(id), member =>
            (samples is null || samples.Contains(member.Id.Sample)) && (runningToo || !member.HoldsBlocks));
        Array.ForEach(recalled, Forget);
        return Array.ConvertAll(recalled, member => member.ToStart());
    }

    /// <summary>Takes the fault of the oldest planned step: see <see cref="StepFaults"/>.</summary>
    public void Fail(Exception fault)
    {
        var plan = _planned.Dequeue();
        var members = plan.Members.ToHashSet();
        var (outOfTries, again) = StepFaults.Judge(plan, fault, limits.MaxStepRetries);
        foreach (var sequence in outOfTries.Where(sequence => !sequence.IsFinished))    // unless with its group
            FailGroup(sequence.Id.Group, $"{sequence.Id} failed in {sequence.Failures} steps: {fault.Message}");
        again.ForEach(Requeue);
        // The step's copies may not have been made, and sequences without a row in it may use some of them.
        if (plan.CopiesBlocks && fault is not DrawFaultException)
            _running.Sequences.Where(sequence => !members.Contains(sequence)).ToList().ForEach(Requeue);
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

    private void FailGroup(GroupId id, string reason)
    {
        Abort(id);
        _outcomes.Add(new SamplesFailed(id, reason));
    }

    private void Forget(Sequence sequence)
    {
        if (sequence.HoldsBlocks)
            _running.ReleaseBlocks(sequence);
        else
            _waiting.Remove(sequence);
        _sequences.Remove(sequence);
        sequence.Status = SequenceStatus.Finished;
    }

    private void Requeue(Sequence sequence)
    {
        if (!sequence.HoldsBlocks)
            return;
        _running.ReleaseBlocks(sequence);
        sequence.StartOver();
        _waiting.Add([sequence]);
    }
}
