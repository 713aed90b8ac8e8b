namespace Rollout.Actors.Membership;

/// <summary>Where a decoder stands in a <see cref="Roster{T}"/>.</summary>
public enum Presence
{
    /// <summary>It has announced itself, and its incarnation has not ended.</summary>
    Present,

    /// <summary>Its last incarnation has ended, and the next one is being started.</summary>
    Returning,

    /// <summary>Its last incarnation has ended, and no other one is being started.</summary>
    Gone,
}
