using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>Groups that keep only each other waiting: the same decoders may take them.</summary>
/// <param name="required">The weights that they may run under; null for any.</param>
/// <param name="reach">
/// The least reach of a decoder that is there and can run their longest samples; <see cref="Nowhere"/> where none can.
/// </param>
/// <param name="isSuspect">Decoders were lost with them, so often that no two of them may share one.</param>
public sealed class WorkLine(Policy? required, long reach, bool isSuspect)
{
    /// <summary>More than any decoder's reach.</summary>
    public const long Nowhere = long.MaxValue;

    public Policy? Required { get; } = required;

    public long Reach { get; } = reach;

    public bool IsSuspect { get; } = isSuspect;

    /// <summary>Those that wait, the oldest first.</summary>
    public SortedSet<RolloutGroup> Groups { get; } = new(ByOrder);

    /// <summary>The oldest; null where none waits any more.</summary>
    public RolloutGroup? First => Groups.Min;

    private static Comparer<RolloutGroup> ByOrder { get; } =
        Comparer<RolloutGroup>.Create((one, other) => one.Order.CompareTo(other.Order));
}
