namespace Rollout.Actors.Placement;

/// <summary>Groups by the time at which they are overdue.</summary>
public sealed class DueQueue
{
    private readonly SortedSet<RolloutGroup> _byDue = new(Comparer<RolloutGroup>.Create(
        (one, other) => (one.Due, one.Order).CompareTo((other.Due, other.Order))));

    /// <summary>A group is due at this time, whatever was said before.</summary>
    public void Set(RolloutGroup group, TimeSpan due)
    {
        _byDue.Remove(group);
        group.Due = due;
        _byDue.Add(group);
    }

    public void Remove(RolloutGroup group) => _byDue.Remove(group);

    /// <summary>Groups that were due before now; each is given once.</summary>
    public IReadOnlyList<RolloutGroup> Take(TimeSpan now)
    {
        var overdue = new List<RolloutGroup>();
        while (_byDue.Min is { } first && first.Due < now)
        {
            _byDue.Remove(first);
            overdue.Add(first);
        }
        return overdue;
    }
}
