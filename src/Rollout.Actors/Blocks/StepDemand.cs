using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>What one decoder asks of its ledger for one step. Its receiver owns its arrays.</summary>
public sealed record StepDemand
{
    /// <summary>Counts demands of this decoder.</summary>
    public required long Step { get; init; }

    /// <summary>The policy under which the step computes; must be the ledger's.</summary>
    public required PolicyVersion Version { get; init; }

    /// <summary>
    /// Admitted sequences whose keys and values are on the device up to a length: full blocks can be hit.
    /// </summary>
    public required WrittenTokens[] Written { get; init; }

    /// <summary>Finished, failed or aborted sequences. Unknown or stale ones are ignored.</summary>
    public required SequenceRelease[] Releases { get; init; }

    /// <summary>
    /// Running sequences and the tokens that each needs room for, oldest group first. Preemption starts at the end.
    /// </summary>
    public required SequenceGrowth[] Growth { get; init; }

    /// <summary>Waiting prompts, first come first served: the first that is deferred defers those behind it.</summary>
    public required AdmissionRequest[] Admissions { get; init; }
}

/// <summary>The first <paramref name="Tokens"/> admitted tokens of this sequence are in the KV cache.</summary>
public readonly record struct WrittenTokens(SequenceId Sequence, AdmissionId Admission, int Tokens);

/// <summary>This sequence no longer needs its blocks.</summary>
public readonly record struct SequenceRelease(SequenceId Sequence, AdmissionId Admission);

/// <summary>This sequence needs room for so many tokens.</summary>
public readonly record struct SequenceGrowth(SequenceId Sequence, AdmissionId Admission, int Tokens);

/// <summary>The ledger's answer to a <see cref="StepDemand"/>: what the step may use.</summary>
public sealed record StepGrant
{
    /// <summary>The number of the demand.</summary>
    public required long Step { get; init; }

    /// <summary>New or replaced entries of block tables.</summary>
    public required TableChange[] Changes { get; init; }

    /// <summary>Copies to make before the step writes.</summary>
    public required BlockCopy[] Copies { get; init; }

    /// <summary>
    /// Running sequences whose blocks were taken away. They keep their tokens and ask for admission again.
    /// </summary>
    public required SequenceId[] Preempted { get; init; }

    /// <summary>One answer an admission request, in order.</summary>
    public required AdmissionAnswer[] Answers { get; init; }

    /// <summary>The pool after this grant.</summary>
    public required PoolUsage Usage { get; init; }
}

/// <summary>
/// Entry <paramref name="Index"/> of a sequence's block table is now this block; the index after the last appends.
/// </summary>
public readonly record struct TableChange(SequenceId Sequence, int Index, BlockId Block);

/// <summary>
/// Counts of blocks. Free + cached + in use = total; logical counts table entries, so logical / in use is the sharing
/// ratio.
/// </summary>
/// <param name="Total">Blocks of the pool.</param>
/// <param name="Free">Blocks with no content.</param>
/// <param name="Cached">Unreferenced blocks kept for prefix hits.</param>
/// <param name="InUse">Referenced blocks.</param>
/// <param name="Logical">Entries of all block tables = the sum of reference counts.</param>
public readonly record struct PoolUsage(int Total, int Free, int Cached, int InUse, int Logical)
{
    /// <summary>Blocks that can be allocated: free and cached ones.</summary>
    public int Available => Free + Cached;
}
