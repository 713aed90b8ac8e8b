namespace Rollout.Actors.Batching;

/// <summary>Tokens of one or more sequences of a group, in shared blocks, on their way into the cache.</summary>
/// <param name="members">Those that go on from the computed tokens; the first one's table is used.</param>
/// <param name="cached">Tokens whose keys and values are there already.</param>
public sealed class Prefill(List<Sequence> members, int cached)
{
    private readonly int _admission = members[0].Admission;

    public List<Sequence> Members { get; } = members;

    /// <summary>Tokens to be computed in all.</summary>
    public int Target { get; } = members[0].Count;

    /// <summary>Tokens of planned steps, cached ones included.</summary>
    public int Planned { get; set; } = cached;

    /// <summary>Tokens computed by completed steps, cached ones included.</summary>
    public int Computed { get; set; } = cached;

    /// <summary>Tokens that are in no planned step yet.</summary>
    public int Remaining => Target - Planned;

    /// <summary>One of those that still hold the blocks that it was written to, if any does.</summary>
    public Sequence? Holder => Members.Find(member =>
        member.Admission == _admission && member.Status is SequenceStatus.Prefilling or SequenceStatus.Running);
}
