using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology.Downing;

/// <summary>
/// Decides for one member which others are downed, and when; used by <see cref="Topology.DowningActor"/>. A scheduler downs the members that the
/// <see cref="Council"/> gives up, which may be itself. Any other member downs nobody but itself, when it can't reach most of
/// the schedulers for long. A process that was frozen, or starved of time, judges nobody before it has had the full time to
/// hear from the others again.
/// </summary>
/// <param name="self">The member that judges.</param>
/// <param name="times">The times to wait.</param>
public sealed class DowningJudge(HostId self, DowningTimes times)
{
    private readonly LinkTable _links = new(self);
    private readonly HashSet<HostId> _refusedBy = [];
    private TimeSpan? _lastLook;
    private TimeSpan? _aloneSince;

    /// <summary>What to tell the other schedulers.</summary>
    public LinkRow[] Rows => _links.Rows;

    /// <summary>Takes over what another scheduler knows.</summary>
    public void Accept(IEnumerable<LinkRow> rows) => _links.Accept(rows);

    /// <summary>A member that never listens to this process again has said so: its side has removed this process.</summary>
    public void AcceptRefusal(HostId from) => _refusedBy.Add(from);

    /// <summary>Looks at the cluster, every <see cref="DowningTimes.Tick"/>.</summary>
    /// <param name="now">A monotonic time.</param>
    /// <param name="members">All members, the oldest first.</param>
    /// <param name="unreachable">The members that this process doesn't hear from.</param>
    /// <returns>The members to down: nobody, others, or this process alone.</returns>
    public IReadOnlySet<HostId> Look(
        TimeSpan now, IReadOnlyList<JudgedMember> members, IReadOnlySet<HostId> unreachable)
    {
        var isLate = _lastLook is { } last && now - last > times.Late;
        _lastLook = now;
        _links.Update(now, members, unreachable);
        if (isLate)
        {
            _links.Restart(now);
            _aloneSince = null;
        }
        if (members.FirstOrDefault(member => member.Id == self) is not { } own)
            return NoOne;
        if (!Council.IsWithMajority(self, members, scheduler => !_refusedBy.Contains(scheduler)))
            return Itself;
        return own is { IsScheduler: true, IsUp: true } ? Judge(now, members) : JudgeItself(now, members, unreachable);
    }

    private static IReadOnlySet<HostId> NoOne { get; } = new HashSet<HostId>();

    private IReadOnlySet<HostId> Itself => new HashSet<HostId> { self };

    private IReadOnlySet<HostId> Judge(TimeSpan now, IReadOnlyList<JudgedMember> members)
    {
        var broken = now - _links.ChangedAt >= times.StableAfter
            ? _links.Broken
            : _links.BrokenSince(now - times.Stubborn);
        if (broken.Count == 0)
            return NoOne;
        var lost = Council.WhoGoes(self, members, broken);
        return lost.Contains(self) ? Itself : lost;
    }

    private IReadOnlySet<HostId> JudgeItself(
        TimeSpan now, IReadOnlyList<JudgedMember> members, IReadOnlySet<HostId> unreachable)
    {
        if (Council.IsWithMajority(self, members, scheduler => !unreachable.Contains(scheduler)))
            _aloneSince = null;
        else
            _aloneSince ??= now;
        return now - _aloneSince >= times.Alone ? Itself : NoOne;
    }
}
