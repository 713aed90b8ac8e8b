namespace Rollout.Actors.Settings;

/// <summary>The section <c>scheduler</c>.</summary>
public sealed record SchedulerSettings
{
    /// <summary>Sequences assigned to a decoder beyond those it can run.</summary>
    public required int LookaheadSeqs { get; init; }

    /// <summary>A group that takes longer is reported as failed.</summary>
    public required TimeSpan GroupTimeout { get; init; }

    public static SchedulerSettings From(ConfigSection section) => new()
    {
        LookaheadSeqs = section.Whole("lookahead-seqs", Bounds.AtLeast(0)),
        GroupTimeout = section.Duration("group-timeout"),
    };
}
