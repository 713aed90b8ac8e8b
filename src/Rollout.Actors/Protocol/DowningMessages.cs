namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of the actor on every member that decides who is downed.</summary>
public interface IDowningMessage;

/// <summary>From another scheduler, about every second: whom the schedulers can't reach. Not answered.</summary>
/// <param name="Rows">The sender's own row, and the latest that it has of each other scheduler.</param>
public sealed record LinkReport(LinkRow[] Rows) : IDowningMessage, IWireMessage;

/// <summary>Whom one scheduler can't reach.</summary>
/// <param name="Observer">The scheduler.</param>
/// <param name="Number">Grows with every row of this scheduler.</param>
/// <param name="Unreachable">The members that it doesn't hear from.</param>
public sealed record LinkRow(HostId Observer, long Number, HostId[] Unreachable);
