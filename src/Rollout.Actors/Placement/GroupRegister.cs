using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// The scheduler's groups by id and by the time at which they are overdue, from their submission, or a decoder's first report
/// of them, until their client has the outcome.
/// </summary>
/// <param name="now">The time.</param>
/// <param name="groupTimeout">How long a group that was begun may go without a token.</param>
public sealed class GroupRegister(Func<TimeSpan> now, TimeSpan groupTimeout)
{
    /// <summary>How long an outcome is kept without a word before its client is asked whether it has it.</summary>
    private static readonly TimeSpan KeptTime = TimeSpan.FromSeconds(15);

    /// <summary>How long samples are kept that decoders brought and no client has asked for.</summary>
    private static readonly TimeSpan OrphanTime = TimeSpan.FromMinutes(1);

    private readonly Dictionary<GroupId, RolloutGroup> _groups = [];
    private readonly List<RolloutGroup> _ended = [];
    private readonly List<RolloutGroup> _grown = [];
    private readonly SortedSet<RolloutGroup> _byDue = new(Comparer<RolloutGroup>.Create(
        (one, other) => (one.Due, one.Arrival).CompareTo((other.Due, other.Arrival))));

    private long _arrivals;

    public TimeSpan Now => now();

    /// <summary>Groups that haven't ended.</summary>
    public int OnTheirWay { get; private set; }

    /// <summary>Groups that a client wants and that haven't ended.</summary>
    public IEnumerable<RolloutGroup> Wanted => _groups.Values.Where(group => group is { Outcome: null, Request: not null });

    public RolloutGroup? Find(GroupId id) => _groups.GetValueOrDefault(id);

    /// <summary>Adds a group that is overdue at no time until its clock is started.</summary>
    public RolloutGroup Add(GroupId id)
    {
        var group = new RolloutGroup(id, _arrivals++);
        _groups.Add(id, group);
        OnTheirWay++;
        return group;
    }

    /// <summary>Adds a group that a decoder has brought: it is dropped unless a client asks for it in time.</summary>
    public RolloutGroup AddOrphan(GroupId id)
    {
        var group = Add(id);
        SetDue(group, Now + OrphanTime);
        return group;
    }

    /// <summary>A decoder has a group from now on: it fails when it makes no token there for too long.</summary>
    public void StartClock(RolloutGroup group)
    {
        group.ProgressAt = Now;
        if (group is { Request: not null, Outcome: null } && Find(group.Id) == group)
            SetDue(group, group.ProgressAt + groupTimeout);
    }

    /// <summary>Notes new tokens of a group: the client of a streamed one is told.</summary>
    public void NoteGrowth(RolloutGroup group)
    {
        if (group is not { HasGrown: false, Request.Streamed: true })
            return;
        group.HasGrown = true;
        _grown.Add(group);
    }

    /// <summary>Streamed groups with new tokens since the last call, without those that have ended.</summary>
    public IReadOnlyList<RolloutGroup> TakeGrown()
    {
        if (_grown.Count == 0)
            return [];
        var grown = _grown.Where(group => group.Outcome is null).ToArray();
        _grown.ForEach(group => group.HasGrown = false);
        _grown.Clear();
        return grown;
    }

    /// <summary>Ends a group; its outcome is kept until it is removed.</summary>
    public void End(RolloutGroup group, GroupOutcome outcome)
    {
        _byDue.Remove(group);
        group.End(outcome);
        OnTheirWay--;
        _ended.Add(group);
    }

    /// <summary>Removes a group that no client needs, whether or not it has ended.</summary>
    public void Remove(RolloutGroup group)
    {
        if (group.Outcome is null)
            OnTheirWay--;
        _byDue.Remove(group);
        _groups.Remove(group.Id);
    }

    /// <summary>Groups that ended since the last call; their clients are asked after them when they don't acknowledge.</summary>
    public IReadOnlyList<RolloutGroup> TakeEnded()
    {
        if (_ended.Count == 0)
            return [];
        var ended = _ended.ToArray();
        _ended.Clear();
        foreach (var group in ended.Where(group => Find(group.Id) == group))
            SetDue(group, Now + KeptTime);
        return ended;
    }

    /// <summary>
    /// Groups that are overdue: they have made no token for too long, their outcome was not acknowledged in time, or no
    /// client has asked for what decoders brought of them.
    /// </summary>
    public IReadOnlyList<RolloutGroup> TakeOverdue()
    {
        var overdue = new List<RolloutGroup>();
        while (_byDue.Min is { } first && first.Due < Now)
        {
            _byDue.Remove(first);
            // A token doesn't move a group in the set: that would cost each report more than looking once a timeout.
            if (first is { Outcome: null, Request: not null } && LastProgress(first) + groupTimeout is var due && due >= Now)
            {
                SetDue(first, due);
                continue;
            }
            if (first.Outcome is not null)
                SetDue(first, Now + KeptTime);
            overdue.Add(first);
        }
        return overdue;
    }

    /// <summary>
    /// When a group's last token came. One that no decoder has is on time, and so is one that waits on a decoder for others,
    /// as long as those make tokens.
    /// </summary>
    private TimeSpan LastProgress(RolloutGroup group)
    {
        var decoders = group.Slots.Select(slot => slot.Decoder).OfType<KnownDecoder>().ToArray();
        return decoders.Length == 0 ? Now : decoders.Where(decoder => decoder.Load.Waiting > 0)
            .Select(decoder => decoder.ProgressAt).Append(group.ProgressAt).Max();
    }

    private void SetDue(RolloutGroup group, TimeSpan due)
    {
        _byDue.Remove(group);
        group.Due = due;
        _byDue.Add(group);
    }
}
