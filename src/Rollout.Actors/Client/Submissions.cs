using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>
/// What a client keeps of its groups until they have come and been read: each is offered, offered again where the scheduler
/// had no room, where it has been replaced, and where nothing was heard for long; each outcome is given once, and
/// acknowledged when it has been read. Time is counted in ticks of a second.
/// </summary>
/// <param name="client">Keeps this client's groups apart from others' of equal numbers.</param>
internal sealed class Submissions(int client)
{
    /// <summary>Ticks without an answer after which a group is submitted again: harmless by its id.</summary>
    private const int Patience = 15;

    /// <summary>Acknowledgements that make a message at once; fewer wait for the next tick.</summary>
    private const int AcknowledgedAtOnce = 32;

    private readonly Dictionary<GroupId, Entry> _entries = [];
    private readonly SortedDictionary<long, Entry> _unsent = [];        // by order of arrival
    private readonly LinkedList<Entry> _underway = [];                  // by the time of submission
    private readonly HashSet<GroupId> _unread = [];                     // given, and perhaps not looked at
    private readonly List<GroupId> _read = [];                          // of which the scheduler is to be told
    private long _arrivals;
    private int _now;
    private int _limit = int.MaxValue;

    public Submissions()
        : this(Random.Shared.Next(1, int.MaxValue))
    {
    }

    /// <summary>Groups without an outcome.</summary>
    public int Count => _entries.Count;

    /// <summary>Groups whose outcomes have been given and not been read.</summary>
    public int Unread => _unread.Count;

    /// <summary>Groups without an outcome, as the scheduler knows them.</summary>
    public GroupId[] Open => [.. _entries.Keys];

    /// <summary>The highest that was heard of.</summary>
    public SchedulerEpoch Epoch { get; private set; }

    /// <summary>Takes a group. False for one that is on its way already.</summary>
    public bool Add(GroupRequest group, Policy? required, string? fingerprint = null)
    {
        var own = group with { Id = group.Id with { Client = client } };
        var entry = new Entry(own, required, fingerprint, _arrivals++);
        if (!_entries.TryAdd(own.Id, entry))
            return false;
        _unsent.Add(entry.Order, entry);
        return true;
    }

    /// <summary>A second has passed: what waits for room is tried, what was said long ago is said again.</summary>
    public void Tick()
    {
        _now++;
        Widen();
        while (_underway.First is { Value: var oldest } && _now - oldest.SubmittedAt >= Patience)
            Withdraw(oldest);
    }

    /// <summary>Groups to be submitted now.</summary>
    public IReadOnlyList<SubmitGroup> TakeSendable()
    {
        if (_unsent.Count == 0 || _underway.Count >= _limit)
            return [];
        var sendable = new List<SubmitGroup>();
        foreach (var entry in _unsent.Values.Take(_limit - _underway.Count).ToArray())
        {
            _unsent.Remove(entry.Order);
            entry.SubmittedAt = _now;
            _underway.AddLast(entry.Place);
            sendable.Add(new SubmitGroup(entry.Group, entry.Required, Epoch, entry.Fingerprint));
        }
        return sendable;
    }

    /// <summary>Takes what the scheduler said. Gives a group's outcome when that is what it comes to.</summary>
    public GroupOutcome? Take(IClientMessage message)
    {
        if (message.Epoch.Value < Epoch.Value)
            return null;
        if (message.Epoch != Epoch)
            FollowNext(message.Epoch);
        switch (message)
        {
            case CompletionsReady ready:
                return Take(ready);
            case GroupGivenUp failed:
                return End(failed.Id) ? new GroupFailed(Plain(failed.Id), failed.Reason) : null;
            case NoRoom refused when _entries.TryGetValue(refused.Id, out var entry) && entry.IsUnderway:
                Withdraw(entry);
                _limit = Math.Max(_underway.Count, 1);
                return null;
            case RoomAgain:
                Widen();
                return null;
            case OutcomesKept kept:
                Array.ForEach(kept.Groups, LookFor);
                return null;
            default:
                return null;
        }
    }

    /// <summary>The outcome of a group that can't be submitted.</summary>
    public GroupFailed Refuse(GroupId id, string reason)
    {
        _unread.Add(id with { Client = client });
        return new GroupFailed(id, reason);
    }

    /// <summary>An outcome has reached whoever wants it: the scheduler need not remember it.</summary>
    public void Read(GroupOutcome outcome)
    {
        var id = outcome.Id with { Client = client };
        if (_unread.Remove(id))
            _read.Add(id);
    }

    /// <summary>Groups whose outcomes have been read, once there are enough of them or when asked for all.</summary>
    public OutcomesTaken? TakeAcknowledgement(bool all)
    {
        if (_read.Count == 0 || (!all && _read.Count < AcknowledgedAtOnce))
            return null;
        var taken = new OutcomesTaken([.. _read]);
        _read.Clear();
        return taken;
    }

    private static GroupId Plain(GroupId id) => id with { Client = 0 };

    private GroupOutcome? Take(CompletionsReady ready)
    {
        if (!_entries.TryGetValue(ready.Id, out var entry))
        {
            End(ready.Id);
            return null;
        }
        if (ready.Samples != entry.Completions.Length)
        {
            End(ready.Id);
            return new GroupFailed(
                Plain(ready.Id), $"it came with {ready.Samples} samples of {entry.Completions.Length}");
        }
        foreach (var completion in ready.Completions)
            entry.Completions[completion.Sample] = completion;
        if (Array.Exists(entry.Completions, completion => completion is null))
            return null;
        End(ready.Id);
        return new GroupFinished(Plain(ready.Id), entry.Completions!);
    }

    /// <summary>The scheduler keeps this group's outcome: word of it, or the outcome itself, was lost on the way.</summary>
    private void LookFor(GroupId id)
    {
        if (!_entries.TryGetValue(id, out var entry))
            Repeat(id);
        else if (entry.IsUnderway)
            Withdraw(entry);
    }

    /// <summary>The scheduler is told again that a group's outcome has been read, unless that is still to come.</summary>
    private void Repeat(GroupId id)
    {
        if (!_unread.Contains(id))
            _read.Add(id);
    }

    /// <summary>A group has its outcome. False where it had it before, or nobody wants it.</summary>
    private bool End(GroupId id)
    {
        if (!_entries.Remove(id, out var entry))
        {
            Repeat(id);
            return false;
        }
        _unread.Add(id);
        if (entry.IsUnderway)
            _underway.Remove(entry.Place);
        _unsent.Remove(entry.Order);
        // One has left and one more may come: so the limit finds its way up again.
        if (_limit < int.MaxValue)
            _limit++;
        return true;
    }

    /// <summary>Another scheduler: it knows nothing of what was submitted to the one before.</summary>
    private void FollowNext(SchedulerEpoch epoch)
    {
        var isFirst = Epoch == default;
        Epoch = epoch;
        _limit = int.MaxValue;
        while (!isFirst && _underway.First is { Value: var entry })
            Withdraw(entry);
    }

    private void Withdraw(Entry entry)
    {
        _underway.Remove(entry.Place);
        _unsent.Add(entry.Order, entry);
    }

    private void Widen()
    {
        if (_limit < int.MaxValue / 2)
            _limit = Math.Max(_limit + 1, _limit + _limit / 2);
    }

    private sealed class Entry
    {
        public Entry(GroupRequest group, Policy? required, string? fingerprint, long order)
        {
            (Group, Required, Fingerprint, Order) = (group, required, fingerprint, order);
            Completions = new Completion?[group.Samples.Length];
            Place = new LinkedListNode<Entry>(this);
        }

        public GroupRequest Group { get; }

        public Policy? Required { get; }

        public string? Fingerprint { get; }

        public long Order { get; }

        public Completion?[] Completions { get; }

        public LinkedListNode<Entry> Place { get; }

        public bool IsUnderway => Place.List is not null;

        public int SubmittedAt { get; set; }
    }
}
