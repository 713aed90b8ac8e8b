using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// Groups with samples that wait for a decoder, the oldest first; apart from one another where they may run only under
/// certain weights, so that none of them keeps the others waiting.
/// </summary>
public sealed class WorkQueue
{
    private readonly SortedSet<RolloutGroup> _any = new(ByOrder);
    private readonly Dictionary<Policy, SortedSet<RolloutGroup>> _required = [];

    private static Comparer<RolloutGroup> ByOrder { get; } =
        Comparer<RolloutGroup>.Create((one, other) => one.Order.CompareTo(other.Order));

    public bool IsEmpty => _any.Count == 0 && _required.Count == 0;

    /// <summary>The weights that the waiting groups may run under, null for any: one entry a line that they stand in.</summary>
    public IReadOnlyList<Policy?> Lines =>
        [.. _any.Count > 0 ? (Policy?[])[null] : [], .. _required.Keys.Select(policy => (Policy?)policy)];

    public void Add(RolloutGroup group)
    {
        if (group.Required is not { } policy)
        {
            _any.Add(group);
            return;
        }
        if (!_required.TryGetValue(policy, out var line))
            _required.Add(policy, line = new SortedSet<RolloutGroup>(ByOrder));
        line.Add(group);
    }

    public void Remove(RolloutGroup group)
    {
        if (group.Required is not { } policy)
            _any.Remove(group);
        else if (_required.TryGetValue(policy, out var line) && line.Remove(group) && line.Count == 0)
            _required.Remove(policy);
    }

    /// <summary>The oldest group of a line.</summary>
    public RolloutGroup? First(Policy? line) =>
        line is not { } policy ? _any.Min : _required.TryGetValue(policy, out var groups) ? groups.Min : null;
}
