namespace Rollout.Actors.Settings;

/// <summary>The section <c>barrier</c>.</summary>
public sealed record BarrierSettings
{
    /// <summary>How long a decoder of the trainer's process may take to park, or to take the new weights.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>How long other hosts are waited for to fetch weights, and how long a fetch lives without a byte.</summary>
    public required TimeSpan TransferTimeout { get; init; }

    /// <summary>The port at which the trainer offers weights; 0 takes any free one.</summary>
    public required int TransferPort { get; init; }

    public static BarrierSettings From(ConfigSection section) => new()
    {
        Timeout = section.Duration("timeout"),
        TransferTimeout = section.Duration("transfer-timeout"),
        TransferPort = section.Whole("transfer-port", Bounds.Between(0, 65535)),
    };
}
