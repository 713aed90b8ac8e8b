using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology.Downing;

/// <summary>
/// A member of the cluster as <see cref="Council"/> and <see cref="DowningJudge"/> see it. Lists of them start with the
/// oldest member, and omit those that are already down or on their way out.
/// </summary>
/// <param name="Id">The member's process.</param>
/// <param name="IsScheduler">The member has the role scheduler.</param>
/// <param name="IsUp">The member has joined; a scheduler that is still joining has no vote.</param>
/// <param name="Worth">What the cluster loses with this member: 0 for a client, 1 for a decoder or a trainer.</param>
public sealed record JudgedMember(HostId Id, bool IsScheduler, bool IsUp, int Worth);
