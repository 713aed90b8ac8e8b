using Akka.Cluster;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of a process's membership actor.</summary>
public interface IMembershipMessage;

/// <summary>
/// From an actor of this process: tell me which hosts of this role come and go. Answered by <see cref="HostsUp"/>, at first
/// with all that are up, and by <see cref="HostLost"/>, until the actor stops.
/// </summary>
/// <param name="Role">One of the cluster's roles.</param>
public sealed record WatchHosts(string Role) : IMembershipMessage;

/// <summary>
/// From membership: these hosts are up, the oldest first. The first message names all of them, which may be none; later ones
/// name those that are new.
/// </summary>
public sealed record HostsUp(HostId[] Hosts) : IStepBarrierMessage, ISchedulerMessage;

/// <summary>From membership, once for a host: it was downed, or leaves. No actor waits for it any more, and its messages are ignored.</summary>
public sealed record HostLost(HostId Host) : IStepBarrierMessage, ISchedulerMessage;

/// <summary>
/// From an actor of this process that needs members before they are up: tell me of all. Answered by
/// <see cref="MembersSeen"/>, at once and after every change, until the actor stops.
/// </summary>
public sealed record WatchMembers : IMembershipMessage;

/// <summary>From membership: every member that has not been removed, whatever its status.</summary>
public sealed record MembersSeen(Member[] Members) : IDowningMessage;
