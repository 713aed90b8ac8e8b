using Rollout.Actors.Blocks;

namespace Rollout.Actors.Engine;

/// <summary>Tokens of one or more sequences of a group, in shared blocks, on their way into the cache.</summary>
/// <param name="members">Those that go on from the computed tokens; the first one's table is used.</param>
/// <param name="cached">Tokens whose keys and values are there already.</param>
internal sealed class Prefill(List<Sequence> members, int cached)
{
    private readonly AdmissionId _admission = members[0].Admission;

    public List<Sequence> Members { get; } = members;

    /// <summary>Tokens to be computed in all.</summary>
    public int Target { get; } = members[0].Count;

    /// <summary>Tokens of planned steps, cached ones included.</summary>
    public int Planned { get; set; } = cached;

    /// <summary>Tokens computed by completed steps, cached ones included.</summary>
    public int Computed { get; set; } = cached;

    /// <summary>Tokens that are in no planned step yet.</summary>
    public int Remaining => Target - Planned;

    /// <summary>Those that still hold the blocks that it is written to.</summary>
    public IEnumerable<Sequence> Holders => Members.Where(Holds);

    /// <summary>One of the <see cref="Holders"/>; null where there is none.</summary>
    public Sequence? Holder => Members.Find(Holds);

    private bool Holds(Sequence member) => member.Admission == _admission && member.HoldsBlocks;
}
