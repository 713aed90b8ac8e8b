using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>
/// The sequences that hold blocks: unfinished ones, some with a prompt that is still being computed, and the finished
/// rows of the static baseline. It makes the next demand of the ledger: growth, releases and written prompts.
/// </summary>
internal sealed class RunningSet
{
    private readonly List<Sequence> _sequences = [];
    private readonly List<Sequence> _finishedRows = [];
    private readonly List<SequenceRelease> _releases = [];
    private readonly List<WrittenTokens> _written = [];

    /// <summary>Unfinished sequences, oldest first.</summary>
    public IReadOnlyList<Sequence> Sequences => _sequences;

    /// <summary>Prompts that the device has not computed to their end, in the order of admission.</summary>
    public List<Prefill> Prefills { get; } = [];

    /// <summary>Finished rows of the static baseline, which are computed until the whole batch has finished.</summary>
    public IReadOnlyList<Sequence> FinishedRows => _finishedRows;

    /// <summary>No sequence holds blocks, and no release waits for the next demand.</summary>
    public bool IsEmpty => _sequences.Count == 0 && _releases.Count == 0 && _finishedRows.Count == 0;

    /// <summary>Prompt tokens that are in no step yet.</summary>
    public int TokensToPrefill => Prefills.Sum(prefill => prefill.Remaining);

    /// <summary>Adds sequences of one group that share their tokens and the granted blocks.</summary>
    public void Add(List<Sequence> members, AdmissionAnswer.Granted granted)
    {
        foreach (var member in members)
        {
            member.TakeBlocks(granted.Blocks);
            member.Status = SequenceStatus.Prefilling;
            _sequences.Insert(~_sequences.BinarySearch(member, Sequence.ByAge), member);
        }
        Prefills.Add(new Prefill(members, granted.CachedTokens));
    }

    /// <summary>Notes that the device has computed the next tokens of a prompt.</summary>
    public void MarkComputed(Prefill prefill, int tokens)
    {
        prefill.Computed += tokens;
        if (prefill.Members is [var holder, ..])
            _written.Add(new WrittenTokens(holder.Id, holder.Admission, prefill.Computed));
        if (prefill.Computed == prefill.Target)
            Prefills.Remove(prefill);
    }

    /// <summary>A sample of this group holds blocks.</summary>
    public bool Holds(GroupId group) => _sequences.Exists(sequence => sequence.Id.Group == group);

    /// <summary>A full block of the group's prompt is still to be computed.</summary>
    public bool IsComputingPromptOf(GroupId group, int blockSize) => Prefills.Exists(prefill =>
        prefill.Members[0].Id.Group == group
        && prefill.Computed / blockSize < prefill.Members[0].PromptLength / blockSize);

    /// <summary>Removes a sequence and releases its blocks with the next demand.</summary>
    public void ReleaseBlocks(Sequence sequence)
    {
        QueueRelease(sequence);
        RemovePreempted(sequence);
    }

    /// <summary>Releases, with the next demand, the blocks of a sequence that is not in the set.</summary>
    public void QueueRelease(Sequence sequence) => _releases.Add(new SequenceRelease(sequence.Id, sequence.Admission));

    /// <summary>Removes a sequence whose blocks the ledger has taken already.</summary>
    public void RemovePreempted(Sequence sequence)
    {
        sequence.DropBlocks();
        _sequences.Remove(sequence);
        foreach (var prefill in Prefills)
            prefill.Members.Remove(sequence);
        Prefills.RemoveAll(prefill => prefill.Members.Count == 0);
    }

    /// <summary>Keeps the row of a finished sequence of the static baseline.</summary>
    public void KeepRow(Sequence sequence)
    {
        _sequences.Remove(sequence);
        _finishedRows.Add(sequence);
    }

    /// <summary>Gives back the blocks of finished rows: of one group, or of all.</summary>
    public void ReleaseRows(GroupId? group = null) => _finishedRows.RemoveAll(row =>
    {
        if (group is { } one && row.Id.Group != one)
            return false;
        QueueRelease(row);
        row.DropBlocks();
        return true;
    });

    /// <summary>Forgets which prompts were written: an older policy computed them.</summary>
    public void ForgetWritten() => _written.Clear();

    /// <summary>Asks for the blocks of the next step.</summary>
    /// <param name="step">Its number.</param>
    /// <param name="version">The policy that it computes under.</param>
    /// <param name="admissions">Waiting prompts that may join.</param>
    public StepDemand Demand(long step, PolicyVersion version, AdmissionRequest[] admissions)
    {
        if (_sequences.Count == 0)
            ReleaseRows();
        var growth = new SequenceGrowth[_sequences.Count];
        for (var i = 0; i < growth.Length; i++)
            growth[i] = new(_sequences[i].Id, _sequences[i].Admission, _sequences[i].LengthAfterNextStep);
        var demand = new StepDemand
        {
            Step = step,
            Version = version,
            Written = [.. _written],
            Releases = [.. _releases],
            Growth = growth,
            Admissions = admissions,
        };
        _written.Clear();
        _releases.Clear();
        return demand;
    }
}
