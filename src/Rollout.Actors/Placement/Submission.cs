namespace Rollout.Actors.Placement;

/// <summary>What a submission came to.</summary>
public enum Submission
{
    /// <summary>It will be answered: it is new, or on its way already.</summary>
    Taken,

    /// <summary>It has ended, and its outcome is to be told again.</summary>
    Ended,

    /// <summary>Enough is waiting.</summary>
    NoRoom,
}
