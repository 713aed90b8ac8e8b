namespace Rollout.Actors.Settings;

/// <summary>The section <c>scheduler</c>: how far it looks ahead, and its deadlines.</summary>
public sealed record SchedulerSettings
{
    /// <summary>Sequences assigned to a decoder beyond those that it can run.</summary>
    public required int LookaheadSeqs { get; init; }

    /// <summary>The most waiting sequences, as a multiple of those that all decoders can run at once.</summary>
    public required double QueueDepth { get; init; }

    /// <summary>
    /// Time between two progress reports of a decoder; at least 1 ms for each decoder of the cluster.
    /// </summary>
    public required TimeSpan ReportInterval { get; init; }

    /// <summary>A group fails when no decoder could take it for this long.</summary>
    public required TimeSpan DecoderTimeout { get; init; }

    /// <summary>A group that a decoder has fails when none of its tokens was sampled for this long.</summary>
    public required TimeSpan GroupTimeout { get; init; }

    public static SchedulerSettings From(ConfigSection section) => new()
    {
        LookaheadSeqs = section.Whole("lookahead-seqs", Bounds.Between(0, 1_000_000)),
        QueueDepth = section.Number("queue-depth", Bounds.AtLeast(0)),
        ReportInterval = section.Duration("report-interval"),
        DecoderTimeout = section.Duration("decoder-timeout"),
        GroupTimeout = section.Duration("group-timeout"),
    };
}
