using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology.Downing;

/// <summary>
/// The broken links of the cluster as far as one member knows: what it sees itself, and what the schedulers have told it. A
/// link is broken when either of its ends says so. Used by <see cref="DowningJudge"/>.
/// </summary>
/// <param name="self">The member.</param>
public sealed class LinkTable(HostId self)
{
    private readonly Dictionary<HostId, LinkRow> _rows = [];
    private readonly Dictionary<Link, TimeSpan> _brokenSince = [];
    private long _number;

    /// <summary>All rows, for the other schedulers: each hears of the others even where it can't reach them.</summary>
    public LinkRow[] Rows => [.. _rows.Values];

    /// <summary>The broken links.</summary>
    public IReadOnlySet<Link> Broken => _brokenSince.Keys.ToHashSet();

    /// <summary>When a link last broke or healed.</summary>
    public TimeSpan ChangedAt { get; private set; }

    /// <summary>The links that have been broken since then or earlier.</summary>
    public IReadOnlySet<Link> BrokenSince(TimeSpan time) =>
        _brokenSince.Where(link => link.Value <= time).Select(link => link.Key).ToHashSet();

    /// <summary>Takes over what is newer than what is known of its observer.</summary>
    public void Accept(IEnumerable<LinkRow> rows)
    {
        foreach (var row in rows.Where(row => row.Observer != self))
        {
            if (!_rows.TryGetValue(row.Observer, out var known) || row.Number > known.Number)
                _rows[row.Observer] = row;
        }
    }

    /// <summary>Replaces what this member sees itself, and forgets former members.</summary>
    public void Update(TimeSpan now, IReadOnlyList<JudgedMember> members, IEnumerable<HostId> unreachable)
    {
        _rows[self] = new LinkRow(self, ++_number, [.. unreachable]);
        var schedulers = members.Where(member => member.IsScheduler || member.Id == self).Select(member => member.Id).ToHashSet();
        foreach (var gone in _rows.Keys.Where(observer => !schedulers.Contains(observer)).ToArray())
            _rows.Remove(gone);
        var present = members.Select(member => member.Id).ToHashSet();
        var broken = _rows.Values
            .SelectMany(row => row.Unreachable.Where(present.Contains).Select(lost => Link.Between(row.Observer, lost)))
            .ToHashSet();
        foreach (var healed in _brokenSince.Keys.Where(link => !broken.Contains(link)).ToArray())
        {
            _brokenSince.Remove(healed);
            ChangedAt = now;
        }
        foreach (var link in broken)
        {
            if (_brokenSince.TryAdd(link, now))
                ChangedAt = now;
        }
    }

    /// <summary>Counts every broken link as broken from now on.</summary>
    public void Restart(TimeSpan now)
    {
        foreach (var link in _brokenSince.Keys.ToArray())
            _brokenSince[link] = now;
        ChangedAt = now;
    }
}
