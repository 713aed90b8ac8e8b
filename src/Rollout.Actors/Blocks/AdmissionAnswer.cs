using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// Numbers the admissions of a decoder's ledger. Messages that name an older admission of a sequence are stale.
/// </summary>
public readonly record struct AdmissionId(long Value)
{
    public AdmissionId Next() => new(Value + 1);

    public override string ToString() => $"admission {Value}";
}

/// <summary>Asks for the blocks of a prompt that one or more sequences of a group share.</summary>
/// <param name="Members">The sequences; each gets a table with the same blocks.</param>
/// <param name="Admission">Newer than any before it.</param>
/// <param name="Tokens">The prompt, and tokens sampled before a preemption. This memory is never written again.</param>
/// <param name="MaxLength">The most tokens that a member can have, prompt included.</param>
public sealed record AdmissionRequest(
    SequenceId[] Members, AdmissionId Admission, ReadOnlyMemory<int> Tokens, int MaxLength);

/// <summary>The answer to an <see cref="AdmissionRequest"/>, in the order of asking.</summary>
public abstract record AdmissionAnswer
{
    private AdmissionAnswer()
    {
    }

    /// <summary>
    /// All members hold these blocks. The keys and values of the first cached tokens are in them already.
    /// </summary>
    public sealed record Granted(BlockId[] Blocks, int CachedTokens) : AdmissionAnswer;

    /// <summary>Not now: blocks are missing, or an older prompt waits. Nothing was taken; ask again.</summary>
    public sealed record Deferred : AdmissionAnswer;

    /// <summary>Never: a member of this length needs more blocks than the pool has.</summary>
    public sealed record Refused(int Needed, int Capacity) : AdmissionAnswer;
}
