using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Barrier;

/// <summary>
/// A decoder that takes part in the step barrier: where to reach it, which policy it holds, and whether it keeps up.
/// </summary>
internal sealed class Participant(JoinBarrier join)
{
    private Policy? _missed;    // the latest policy whose deadline it missed

    public DecoderId Id { get; } = join.Id;

    public int Incarnation { get; } = join.Incarnation;

    public IActorRef Decoder { get; } = join.Decoder;

    /// <summary>It computes with the trainer's memory.</summary>
    public bool SharesWeights { get; } = join.SharesWeights;

    /// <summary>The latest policy that it said it decodes with.</summary>
    public Policy? Holds { get; private set; }

    /// <summary>It said that it is there since this was last set to false.</summary>
    public bool HasSpoken { get; set; } = true;

    /// <summary>
    /// Notes which policy it decodes with. Messages can arrive out of order: an older version of the same run is ignored.
    /// </summary>
    public void Confirm(Policy policy)
    {
        if (Holds is not { } known || known.Run != policy.Run || known.Version.Value < policy.Version.Value)
            Holds = policy;
    }

    public void MissDeadline(Policy policy) => _missed = policy;

    public bool HasMissed(Policy policy) => _missed == policy;

    /// <summary>It shares the trainer's memory, or took this policy before its deadline.</summary>
    public bool KeepsUpWith(Policy policy) => SharesWeights || (Holds == policy && _missed != policy);
}
