namespace Rollout.Actors.Settings;

/// <summary>The section <c>barrier</c>.</summary>
public sealed record BarrierSettings
{
    /// <summary>Every member parks and takes the new weights within this.</summary>
    public required TimeSpan Timeout { get; init; }

    public static BarrierSettings From(ConfigSection section) => new()
    {
        Timeout = section.Duration("timeout"),
    };
}
