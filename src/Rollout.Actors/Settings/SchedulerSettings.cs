namespace Rollout.Actors.Settings;

/// <summary>The section <c>scheduler</c>.</summary>
public sealed record SchedulerSettings
{
    /// <summary>Sequences assigned to a decoder beyond those it can run.</summary>
    public required int LookaheadSeqs { get; init; }

    /// <summary>Waiting sequences, as a multiple of those that the decoders can run at once: more are not taken.</summary>
    public required double QueueDepth { get; init; }

    /// <summary>Time between two reports of a decoder's progress; at least 1 ms for each decoder of the cluster.</summary>
    public required TimeSpan ReportInterval { get; init; }

    /// <summary>Groups fail when there has been no decoder for longer.</summary>
    public required TimeSpan DecoderTimeout { get; init; }

    /// <summary>A group that was begun fails when it has made no token for longer.</summary>
    public required TimeSpan GroupTimeout { get; init; }

    public static SchedulerSettings From(ConfigSection section) => new()
    {
        LookaheadSeqs = section.Whole("lookahead-seqs", Bounds.AtLeast(0)),
        QueueDepth = section.Number("queue-depth", Bounds.AtLeast(0)),
        ReportInterval = section.Duration("report-interval"),
        DecoderTimeout = section.Duration("decoder-timeout"),
        GroupTimeout = section.Duration("group-timeout"),
    };
}
