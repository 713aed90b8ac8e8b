using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// Groups from their submission, or a decoder's first word of them, until their client has the outcome: by id, by the
/// time at which they are overdue, and those that have ended and that nobody has been told of.
/// </summary>
public sealed class GroupRegister
{
    private readonly Dictionary<GroupId, RolloutGroup> _groups = [];
    private readonly DueQueue _due = new();
    private readonly List<RolloutGroup> _ended = [];
    private long _arrivals;

    /// <summary>Groups that haven't ended.</summary>
    public int OnTheirWay { get; private set; }

    /// <summary>Groups that a client wants and that haven't ended.</summary>
    public IEnumerable<RolloutGroup> Wanted => _groups.Values.Where(group => group is { Outcome: null, Request: not null });

    public RolloutGroup? Find(GroupId id) => _groups.GetValueOrDefault(id);

    /// <summary>A new group.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="due">When it is overdue; null for a time that is set later.</param>
    public RolloutGroup Add(GroupId id, TimeSpan? due = null)
    {
        var group = new RolloutGroup(id, _arrivals++);
        _groups.Add(id, group);
        if (due is { } time)
            _due.Set(group, time);
        OnTheirWay++;
        return group;
    }

    /// <summary>A group is due at this time, whatever was said before: to have ended, or to have its outcome taken.</summary>
    public void SetDue(RolloutGroup group, TimeSpan due)
    {
        if (Find(group.Id) == group)
            _due.Set(group, due);
    }

    /// <summary>A group is due at no time until <see cref="SetDue"/> gives it one.</summary>
    public void ClearDue(RolloutGroup group) => _due.Remove(group);

    /// <summary>A group ends; its outcome is kept until it is removed.</summary>
    public void End(RolloutGroup group, GroupOutcome outcome)
    {
        _due.Remove(group);
        group.End(outcome);
        OnTheirWay--;
        _ended.Add(group);
    }

    /// <summary>Nobody needs this group any more, whether or not it has ended.</summary>
    public void Remove(RolloutGroup group)
    {
        if (group.Outcome is null)
            OnTheirWay--;
        _due.Remove(group);
        _groups.Remove(group.Id);
    }

    /// <summary>Groups that ended since the last call.</summary>
    /// <param name="due">When their outcomes are expected to have been taken.</param>
    public IReadOnlyList<RolloutGroup> TakeEnded(TimeSpan due)
    {
        if (_ended.Count == 0)
            return [];
        var ended = _ended.ToArray();
        _ended.Clear();
        Array.ForEach(ended, group => SetDue(group, due));
        return ended;
    }

    /// <summary>Groups that were due before now.</summary>
    /// <param name="now">The time.</param>
    /// <param name="next">When those that have ended are due again.</param>
    public IReadOnlyList<RolloutGroup> TakeOverdue(TimeSpan now, TimeSpan next)
    {
        var overdue = _due.Take(now);
        foreach (var ended in overdue.Where(group => group.Outcome is not null))
            SetDue(ended, next);
        return overdue;
    }
}
