namespace Rollout.Actors.Placement;

/// <summary>What happened to a group that a client submitted or offered.</summary>
public enum SubmitResult
{
    /// <summary>It will be answered. It is new, or it was accepted before.</summary>
    Accepted,

    /// <summary>It has ended, and its client is to be told the outcome again.</summary>
    Ended,

    /// <summary>The queue is full: the client keeps the group until it is called.</summary>
    NoRoom,
}
