namespace Rollout.Actors.Settings;

/// <summary>The section <c>barrier</c>.</summary>
public sealed record BarrierSettings
{
    /// <summary>Every member parks, or takes weights that are at hand, within this.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>Every host has fetched new weights within this.</summary>
    public required TimeSpan TransferTimeout { get; init; }

    /// <summary>Where the trainer hands out weights; 0 takes any free port.</summary>
    public required int TransferPort { get; init; }

    public static BarrierSettings From(ConfigSection section) => new()
    {
        Timeout = section.Duration("timeout"),
        TransferTimeout = section.Duration("transfer-timeout"),
        TransferPort = section.Whole("transfer-port", Bounds.Between(0, 65535)),
    };
}
