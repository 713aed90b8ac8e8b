namespace Rollout.Actors.Settings;

/// <summary>The section <c>barrier</c>: the deadlines and the port of the step barrier.</summary>
public sealed record BarrierSettings
{
    /// <summary>The time for decoders of the trainer's process to park and to take new weights.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>The time for other hosts to fetch weights, and the time of a fetch without a byte.</summary>
    public required TimeSpan TransferTimeout { get; init; }

    /// <summary>The port where the trainer serves weights; 0 takes any free port.</summary>
    public required int TransferPort { get; init; }

    public static BarrierSettings From(ConfigSection section) => new()
    {
        Timeout = section.Duration("timeout"),
        TransferTimeout = section.Duration("transfer-timeout"),
        TransferPort = section.Whole("transfer-port", Bounds.Between(0, 65535)),
    };
}
