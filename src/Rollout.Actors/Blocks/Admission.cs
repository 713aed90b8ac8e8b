using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>One admission of sequences to the pool, counted by their decoder: what names an older one means nothing any more.</summary>
public readonly record struct AdmissionId(long Value)
{
    public AdmissionId Next() => new(Value + 1);

    public override string ToString() => $"admission {Value}";
}

/// <summary>Asks for the blocks of a prompt that one or more sequences of a group share.</summary>
/// <param name="Members">The sequences; each gets a table with the same blocks.</param>
/// <param name="Admission">Newer than any before it.</param>
/// <param name="Tokens">The tokens to be computed: the prompt, and what was generated before a preemption. Never written again.</param>
/// <param name="MaxLength">Tokens of one member at most, prompt included.</param>
public sealed record AdmissionRequest(SequenceId[] Members, AdmissionId Admission, ReadOnlyMemory<int> Tokens, int MaxLength);

/// <summary>The answer to an <see cref="AdmissionRequest"/>, in the order of asking.</summary>
public abstract record Admission
{
    private Admission()
    {
    }

    /// <summary>All members hold these blocks; the KV of the first cached tokens is there already.</summary>
    public sealed record Granted(BlockId[] Blocks, int CachedTokens) : Admission;

    /// <summary>Not now: so many blocks are missing. Ask again; nothing was taken.</summary>
    public sealed record Deferred(int Missing) : Admission;

    /// <summary>Never: one member at its longest needs more blocks than the pool has.</summary>
    public sealed record Refused(int Needed, int Capacity) : Admission;
}
