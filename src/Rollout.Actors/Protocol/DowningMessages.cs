namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of the actor that decides which members are downed. Every member has one.</summary>
public interface IDowningMessage;

/// <summary>From another scheduler, about every second: the members that schedulers can't reach. Not answered.</summary>
/// <param name="Rows">The sender's own row, and the latest that it has of each other scheduler.</param>
public sealed record LinkReport(LinkRow[] Rows) : IDowningMessage, IWireMessage;

/// <summary>The members that one scheduler can't reach.</summary>
/// <param name="Observer">The scheduler.</param>
/// <param name="Number">Grows with every row of this scheduler.</param>
/// <param name="Unreachable">The members that it receives no heartbeats from.</param>
public sealed record LinkRow(HostId Observer, long Number, HostId[] Unreachable);
