using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Batching;

/// <summary>
/// The sequences that hold blocks of the pool: whose prompts are being computed, and who runs. What the pool is to know
/// of them gathers here until the next demand: who grows, which blocks come back, which prompts are written.
/// </summary>
internal sealed class BlockHolders
{
    private readonly List<Prefill> _prefills = [];                  // with tokens in no step yet, oldest first
    private readonly List<Sequence> _held = [];                     // unfinished, oldest first
    private readonly List<Sequence> _finishedRows = [];             // static batch: computed along
    private readonly List<SequenceRelease> _releases = [];
    private readonly List<WrittenTokens> _written = [];

    /// <summary>Those that have not finished, oldest first.</summary>
    public IReadOnlyList<Sequence> Unfinished => _held;

    /// <summary>Nobody holds blocks, and none are to be given back.</summary>
    public bool IsEmpty => _held.Count == 0 && _releases.Count == 0 && _finishedRows.Count == 0;

    /// <summary>Tokens of their prompts that are in no step yet.</summary>
    public int TokensToPrefill => _prefills.Sum(prefill => prefill.Remaining);

    public static bool Holds(Sequence sequence) =>
        sequence.Status is SequenceStatus.Prefilling or SequenceStatus.Running;

    /// <summary>Sequences of a group that share their tokens have been given blocks.</summary>
    public void Hold(List<Sequence> members, Admission.Granted granted)
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

    /// <summary>What the next step computes of them.</summary>
    public PlannedStep Compose(StepComposer composer) => composer.Compose(_held, _finishedRows, _prefills);

    /// <summary>The next tokens of a prompt have been computed.</summary>
    public void Computed(Prefill prefill, int tokens)
    {
        prefill.Computed += tokens;
        if (prefill.Holder is { } holder)
            _written.Add(new WrittenTokens(holder.Id, holder.Admission, prefill.Computed));
    }

    /// <summary>A sequence needs its blocks no more.</summary>
    public void Release(Sequence sequence)
    {
        GiveBack(sequence);
        Drop(sequence);
    }

    /// <summary>Blocks that were given to a sequence which didn't need them any more.</summary>
    public void GiveBack(Sequence sequence) => _releases.Add(new SequenceRelease(sequence.Id, sequence.Admission));

    /// <summary>A sequence has lost its blocks: the pool has them already.</summary>
    public void Drop(Sequence sequence)
    {
        sequence.DropBlocks();
        _held.Remove(sequence);
        foreach (var prefill in _prefills)
            prefill.Members.Remove(sequence);
        _prefills.RemoveAll(prefill => prefill.Members.Count == 0);
    }

    /// <summary>A finished sequence of the static baseline is computed along until the whole batch has finished.</summary>
    public void KeepRow(Sequence sequence)
    {
        _held.Remove(sequence);
        _finishedRows.Add(sequence);
    }

    /// <summary>Such rows give their blocks back: those of a group, or all.</summary>
    public void ReleaseRows(GroupId? group = null) => _finishedRows.RemoveAll(row =>
    {
        if (group is { } one && row.Id.Group != one)
            return false;
        GiveBack(row);
        row.DropBlocks();
        return true;
    });

    /// <summary>What was written is not to be hit: it is of a policy of before.</summary>
    public void ForgetWritten() => _written.Clear();

    /// <summary>Asks for the blocks of the step after the one planned last.</summary>
    /// <param name="step">Its number.</param>
    /// <param name="version">The policy that it computes under.</param>
    /// <param name="admissions">Prompts that are to be computed too.</param>
    public StepDemand Demand(long step, PolicyVersion version, AdmissionRequest[] admissions)
    {
        if (_held.Count == 0)
            ReleaseRows();
        var demand = new StepDemand
        {
            Step = step,
            Version = version,
            Written = [.. _written],
            Releases = [.. _releases],
            Growth = [.. _held.Select(
                sequence => new SequenceGrowth(sequence.Id, sequence.Admission, LengthAfterNextStep(sequence)))],
            Admissions = admissions,
        };
        _written.Clear();
        _releases.Clear();
        return demand;
    }

    /// <summary>
    /// Tokens in the cache after the step that is asked for. A token drawn in a step before it is computed in it; the
    /// last token of all is never computed.
    /// </summary>
    private static int LengthAfterNextStep(Sequence sequence) =>
        Math.Min(sequence.Count + sequence.Pending, sequence.MaxLength - 1);
}
