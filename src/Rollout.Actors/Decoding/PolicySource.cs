using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>Where a decoder's weights come from.</summary>
public abstract record PolicySource
{
    private PolicySource()
    {
    }

    /// <summary>From disk, for good: it follows no trainer.</summary>
    public sealed record Loaded : PolicySource;

    /// <summary>They are the trainer's own, in the same process: it rests while they change.</summary>
    public sealed record Shared : PolicySource;

    /// <summary>From disk at first, and from whatever trainer the cluster has, as soon as it has one.</summary>
    public sealed record Fetched(IWeightIntake Intake) : PolicySource;
}
