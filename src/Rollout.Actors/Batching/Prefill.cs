namespace Rollout.Actors.Batching;

/// <summary>Tokens of one or more sequences of a group, in shared blocks, on their way into the cache.</summary>
/// <param name="members">Those that go on from the computed tokens; the first one's table is used.</param>
/// <param name="cached">Tokens whose keys and values are there already.</param>
public sealed class Prefill(List<Sequence> members, int cached)
{
    public List<Sequence> Members { get; } = members;

    /// <summary>Tokens to be computed in all.</summary>
    public int Target { get; } = members[0].Count;

    /// <summary>Tokens computed by finished steps, cached ones included.</summary>
    public int Computed { get; set; } = cached;

    public int Remaining => Target - Computed;
}
