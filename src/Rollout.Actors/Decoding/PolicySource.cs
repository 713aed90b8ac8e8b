using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>Where a decoder's weights come from.</summary>
public abstract record PolicySource
{
    private PolicySource()
    {
    }

    /// <summary>From disk. The decoder follows no trainer.</summary>
    public sealed record Loaded : PolicySource;

    /// <summary>The trainer's own memory, in the same process. The decoder is parked while it changes.</summary>
    public sealed record Shared : PolicySource;

    /// <summary>From disk at first, then from the cluster's trainer, as soon as there is one.</summary>
    public sealed record Fetched(IWeightIntake Intake) : PolicySource;
}
