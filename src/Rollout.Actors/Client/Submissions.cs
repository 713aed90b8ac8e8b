using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>
/// One client's groups, from their submission until their outcomes have been read. Decides what the scheduler is told and
/// gives each outcome once, whatever gets lost and whichever scheduler answers. A prompt is sent once, and again only when
/// the scheduler asks for it; everything else about a group is asked by its id. Time is counted in ticks of a second.
/// </summary>
/// <param name="client">Keeps this client's groups apart from others' of equal numbers.</param>
internal sealed class Submissions(int client)
{
    /// <summary>The most ids in one message.</summary>
    public const int IdsAtOnce = 1024;

    /// <summary>Ticks between two questions about the same group.</summary>
    private const int AskEvery = 5;

    private readonly Dictionary<GroupId, PendingGroup> _entries = [];
    private readonly Queue<PendingGroup> _new = [];         // the scheduler has not heard of them
    private readonly List<PendingGroup> _called = [];       // the scheduler wants them now
    private readonly List<PendingGroup> _toAsk = [];        // the scheduler is to be asked after them now
    private readonly LinkedList<PendingGroup> _known = [];  // the scheduler has heard of them: longest ago first
    private readonly OutcomeReceipts _receipts = new();
    private int _waiting;       // entries that the scheduler had no room for
    private int _now;
    private int _progressAt;

    public Submissions()
        : this(Random.Shared.Next(1, int.MaxValue))
    {
    }

    /// <summary>Groups without an outcome.</summary>
    public int Count => _entries.Count;

    /// <summary>Groups whose outcomes were given and not read.</summary>
    public int Unread => _receipts.Unread;

    /// <summary>
    /// Ticks since a token of any group was sampled, as far as the scheduler has said. While groups wait in line, and none has
    /// begun, the cluster is busy for others: each answer of the scheduler counts as a token.
    /// </summary>
    public int QuietTicks => _now - _progressAt;

    /// <summary>The highest scheduler epoch that this client has heard of.</summary>
    public SchedulerEpoch Epoch { get; private set; }

    /// <summary>Adds a group to submit.</summary>
    /// <exception cref="InvalidOperationException">A group with its id has no outcome yet.</exception>
    public void Add(GroupRequest group, Policy? required, string? fingerprint = null)
    {
        var own = group with { Id = group.Id with { Client = client } };
        var entry = new PendingGroup(own, required, fingerprint);
        if (!_entries.TryAdd(own.Id, entry))
            throw new InvalidOperationException($"{group.Id} is submitted twice");
        _new.Enqueue(entry);
    }

    /// <summary>Records a group that is not submitted at all, and returns its outcome.</summary>
    public GroupFailed Refuse(GroupId id, string reason)
    {
        _receipts.Give(id with { Client = client });
        return new GroupFailed(id, reason);
    }

    /// <summary>Counts a second. A share of the groups is asked after, so that questions never come in bursts.</summary>
    public void Tick()
    {
        _now++;
        _receipts.SendSoon();
        var share = (_known.Count + AskEvery - 1) / AskEvery;
        _toAsk.AddRange(_known.TakeWhile(entry => _now - entry.HeardAt >= AskEvery).Take(share));
    }

    /// <summary>Notes that the groups make progress, as something outside of the scheduler shows.</summary>
    public void NoteProgress() => _progressAt = _now;

    /// <summary>Follows what the scheduler says. Returns a group's outcome when the message completes it.</summary>
    public GroupOutcome? Receive(IClientMessage message)
    {
        if (message.Epoch.Value < Epoch.Value)
            return null;
        if (message.Epoch != Epoch)
            FollowEpoch(message.Epoch);
        switch (message)
        {
            case CompletionsReady ready:
                return AddCompletions(ready);
            case GroupGivenUp failed:
                return Complete(failed.Id) ? new GroupFailed(Plain(failed.Id), failed.Reason) : null;
            case NoRoom refused when _entries.TryGetValue(refused.Id, out var entry):
                SetWaiting(entry, true);
                return null;
            case SendGroups wanted:
                _called.AddRange(Known(wanted.Groups));
                return null;
            case GroupsUnderway underway:
                Array.ForEach(underway.Groups, FollowProgress);
                if (_waiting > 0 && _entries.Values.All(entry => entry.Tokens == 0))
                    NoteProgress();
                return null;
            case OutcomesKept kept:
                _receipts.SendSoon();
                _toAsk.AddRange(Known(kept.Groups));
                foreach (var id in kept.Groups.Where(id => !_entries.ContainsKey(id)))
                    _receipts.Repeat(id);
                return null;
            default:
                return null;
        }
    }

    /// <summary>Notes that the caller has this outcome: the scheduler need not keep it.</summary>
    public void Acknowledge(GroupOutcome outcome) => _receipts.Acknowledge(outcome.Id with { Client = client });

    /// <summary>What the scheduler is to be told now.</summary>
    public IReadOnlyList<ISchedulerMessage> TakeMessages()
    {
        if (!_receipts.IsDue && _called.Count + _new.Count + _toAsk.Count == 0)
            return [];
        var messages = new List<ISchedulerMessage>();
        if (_receipts.IsDue)
            messages.AddRange(_receipts.Take());
        foreach (var entry in _called.Where(IsOpen))
            Submit(entry);
        while (_waiting == 0 && _new.TryDequeue(out var entry))
            Submit(entry);
        if (_toAsk.Count + _new.Count > 0)
            AddOffers(messages);
        _called.Clear();
        _toAsk.Clear();
        return messages;

        void Submit(PendingGroup entry)
        {
            SetWaiting(entry, false);
            MarkHeard(entry);
            messages.Add(new SubmitGroup(entry.Group, entry.RequiredPolicy, Epoch, entry.Fingerprint));
        }
    }

    /// <summary>What the scheduler is to be told at the end: nobody wants what has no outcome.</summary>
    public IReadOnlyList<ISchedulerMessage> Close() =>
        [.. _receipts.Take(), .. _entries.Keys.Chunk(IdsAtOnce).Select(some => new CancelGroups(some))];

    private static GroupId Plain(GroupId id) => id with { Client = 0 };

    private bool IsOpen(PendingGroup entry) => _entries.GetValueOrDefault(entry.Group.Id) == entry;

    private IEnumerable<PendingGroup> Known(IEnumerable<GroupId> ids) =>
        ids.Select(id => _entries.GetValueOrDefault(id)).OfType<PendingGroup>();

    private void AddOffers(List<ISchedulerMessage> messages)
    {
        var offered = _toAsk.Where(IsOpen).ToList();
        // The scheduler had no room: it hears of more by their ids alone, and says when it wants them.
        while (_new.TryDequeue(out var entry))
        {
            SetWaiting(entry, true);
            offered.Add(entry);
        }
        offered.ForEach(MarkHeard);
        messages.AddRange(offered
            .Select(entry => new OfferedGroup(entry.Group.Id, entry.Group.Samples.Length))
            .Chunk(IdsAtOnce).Select(some => new OfferGroups(some, Epoch)));
    }

    private GroupOutcome? AddCompletions(CompletionsReady ready)
    {
        if (!_entries.TryGetValue(ready.Id, out var entry))
        {
            Complete(ready.Id);
            return null;
        }
        NoteProgress();
        var outcome = entry.Add(ready, Plain(ready.Id));
        if (outcome is not null)
            Complete(ready.Id);
        return outcome;
    }

    /// <summary>Ends a group. False if it has ended before: the scheduler is then told again that its outcome was read.</summary>
    private bool Complete(GroupId id)
    {
        if (!_entries.Remove(id, out var entry))
        {
            _receipts.Repeat(id);
            return false;
        }
        _receipts.Give(id);
        SetWaiting(entry, false);
        if (entry.Place.List is not null)
            _known.Remove(entry.Place);
        NoteProgress();
        return true;
    }

    private void FollowProgress(GroupProgress progress)
    {
        if (!_entries.TryGetValue(progress.Id, out var entry))
            return;
        SetWaiting(entry, false);
        if (entry.Tokens != progress.Tokens)
            NoteProgress();
        entry.Tokens = progress.Tokens;
    }

    /// <summary>Follows another scheduler, which has received none of this client's messages.</summary>
    private void FollowEpoch(SchedulerEpoch epoch)
    {
        if (Epoch != default)
            _toAsk.AddRange(_known);
        Epoch = epoch;
    }

    private void SetWaiting(PendingGroup entry, bool isWaiting)
    {
        if (entry.IsWaiting == isWaiting)
            return;
        entry.IsWaiting = isWaiting;
        _waiting += isWaiting ? 1 : -1;
    }

    /// <summary>Notes that the scheduler hears of a group now.</summary>
    private void MarkHeard(PendingGroup entry)
    {
        if (entry.Place.List is not null)
            _known.Remove(entry.Place);
        _known.AddLast(entry.Place);
        entry.HeardAt = _now;
    }
}
