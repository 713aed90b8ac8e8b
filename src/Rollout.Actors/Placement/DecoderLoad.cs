using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>What the scheduler knows of one decoder.</summary>
public sealed class DecoderLoad(DecoderId id, int incarnation, int maxNumSeqs)
{
    public DecoderId Id { get; } = id;

    public int Incarnation { get; } = incarnation;

    /// <summary>Sequences that it can run at once.</summary>
    public int MaxNumSeqs { get; } = maxNumSeqs;

    /// <summary>Groups it works on.</summary>
    public HashSet<GroupId> Groups { get; } = [];

    /// <summary>Sequences of those groups.</summary>
    public int AssignedSeqs { get; set; }
}
