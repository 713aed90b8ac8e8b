namespace Rollout.Actors.Engine;

/// <summary>
/// The computation of tokens that one or more sequences of a group share, chunk by chunk, into shared blocks.
/// </summary>
/// <param name="members">The sequences; the first one's block table is used.</param>
/// <param name="cached">Tokens whose keys and values are cached already.</param>
internal sealed class Prefill(List<Sequence> members, int cached)
{
    /// <summary>The sequences that still hold the shared blocks.</summary>
    public List<Sequence> Members { get; } = members;

    /// <summary>All tokens to be computed, cached ones included.</summary>
    public int Target { get; } = members[0].Count;

    /// <summary>Tokens in planned or completed steps, cached ones included.</summary>
    public int Planned { get; set; } = cached;

    /// <summary>Tokens in completed steps, cached ones included.</summary>
    public int Computed { get; set; } = cached;

    /// <summary>Tokens that are in no planned step yet.</summary>
    public int Remaining => Target - Planned;
}
