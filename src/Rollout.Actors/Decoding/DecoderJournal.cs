using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>
/// What one decoder holds for the scheduler that it follows, and what of it that one knows. A report has everything
/// after what was acknowledged; one is outstanding at a time, as it was made, until it is acknowledged: so an answer that
/// takes long is an answer all the same. Finished samples are kept until their group is over, so that the next scheduler
/// needs nobody to sample them again.
/// </summary>
public sealed class DecoderJournal
{
    /// <summary>Tokens of a report at most: some 128 KiB, so that it never holds up what else is on the connection.</summary>
    private const int ReportTokens = 16_384;

    /// <summary>Samples of a report at most.</summary>
    private const int ReportSamples = 1024;

    /// <summary>Rejections of a report at most, each with a reason of a few thousand characters.</summary>
    private const int ReportRejections = 64;

    private readonly Dictionary<SequenceId, JournalEntry> _entries = [];
    private readonly Dictionary<GroupId, HashSet<JournalEntry>> _groups = [];
    private readonly LinkedList<JournalEntry> _ended = [];          // that the scheduler doesn't know of
    private readonly List<GroupRejection> _rejected = [];
    private readonly List<(JournalEntry Entry, AssignmentId Assignment, int Tokens, bool Ends)> _offered = [];
    private DecoderReport? _out;        // made, and not acknowledged
    private int _offeredRejections;
    private bool _offeredAll;
    private bool _isListed = true;      // the scheduler that it follows knows of every sample here
    private long _number;

    /// <summary>The scheduler that it follows; 0 at first.</summary>
    public SchedulerEpoch Epoch { get; private set; }

    /// <summary>Commands of it that have been carried out.</summary>
    public long CommandsTaken { get; private set; }

    /// <summary>A report has been made and not been acknowledged.</summary>
    public bool IsReportOut => _out is not null;

    /// <summary>Something has ended that the scheduler doesn't know of.</summary>
    public bool HasNews => _ended.Count > 0 || _rejected.Count > 0;

    /// <summary>Samples that it works on or keeps.</summary>
    public int Holding => _entries.Count;

    /// <summary>Follows a scheduler. True for one that is newer than the one before: it is told everything from the beginning.</summary>
    public bool Follow(SchedulerEpoch epoch)
    {
        if (epoch.Value <= Epoch.Value)
            return false;
        Epoch = epoch;
        CommandsTaken = _number = 0;
        _isListed = _entries.Count == 0;
        _out = null;
        _offered.Clear();
        _ended.Clear();
        foreach (var entry in _entries.Values)
        {
            (entry.Known, entry.IsListed) = (0, false);
            if (entry.End is not null)
                entry.Place = _ended.AddLast(entry);
        }
        return true;
    }

    /// <summary>True for the next command of the scheduler that it follows: it is to be carried out now.</summary>
    public bool Accept(SchedulerCommand command)
    {
        if (command.Epoch != Epoch || command.Number != CommandsTaken + 1)
            return false;
        CommandsTaken++;
        return true;
    }

    /// <summary>Works on a sample from now on, from what the scheduler knows of it. True where it was held before.</summary>
    /// <param name="group">The sample's.</param>
    /// <param name="start">What the scheduler knows of it.</param>
    /// <param name="assignment">The assignment that it is reported under.</param>
    /// <param name="required">The only weights that it may be sampled with; null for any.</param>
    public bool Assign(GroupId group, SampleStart start, AssignmentId assignment, Policy? required = null)
    {
        var id = new SequenceId(group, start.Sample);
        var wasHeld = _entries.TryGetValue(id, out var held);
        if (wasHeld)
            Remove(held!);
        var entry = new JournalEntry(id, assignment, required) { Known = start.Sampled.Count };
        _entries.Add(id, entry);
        if (!_groups.TryGetValue(group, out var members))
            _groups.Add(group, members = []);
        members.Add(entry);
        return wasHeld;
    }

    /// <summary>A sample has finished.</summary>
    public void Finish(GroupId group, Completion completion) => End(
        new SequenceId(group, completion.Sample), new JournalEnd(completion.Sampled, completion.Reason));

    /// <summary>A sample is worked on no more; the scheduler gives it to another decoder.</summary>
    public void HandBack(GroupId group, SampleStart start) =>
        End(new SequenceId(group, start.Sample), new JournalEnd(start.Sampled, Finished: null));

    /// <summary>A group can't be finished; nothing of it is worked on.</summary>
    public void Reject(GroupId group, string reason)
    {
        if (!_groups.TryGetValue(group, out var members) || members.All(member => member.End is not null))
            return;
        var unfinished = members.Where(member => member.End is null).ToArray();
        _rejected.Add(new GroupRejection(group, unfinished[0].Assignment, WireLimits.Reason(reason)));
        Array.ForEach(unfinished, Remove);
    }

    /// <summary>Groups with unfinished samples that may not be sampled with these weights.</summary>
    public IReadOnlyList<GroupId> NotUnder(Policy policy) =>
    [
        .. _groups
            .Where(group => group.Value.Any(entry => entry.End is null && (entry.Required ?? policy) != policy))
            .Select(group => group.Key),
    ];

    /// <summary>A group is over.</summary>
    public void Forget(GroupId group)
    {
        if (!_groups.TryGetValue(group, out var members))
            return;
        foreach (var member in members.ToArray())
            Remove(member);
    }

    /// <summary>The report that is out, as it was, or else the next one; null where there is nothing to say.</summary>
    /// <param name="decoder">Who reports.</param>
    /// <param name="incarnation">Its own.</param>
    /// <param name="policy">What it decodes with.</param>
    /// <param name="underway">Sequences that are worked on; null reports only what has ended.</param>
    /// <param name="load">How full the device is.</param>
    public DecoderReport? Report(
        DecoderId decoder,
        int incarnation,
        Policy policy,
        IEnumerable<Sequence>? underway,
        DeviceLoad load)
    {
        if (_out is not null)
            return _out;
        _offered.Clear();
        var (samples, budget, more) = (new List<SampleProgress>(), ReportTokens, false);
        for (var node = _ended.First; node is not null && !more; node = node.Next)
        {
            var (entry, end) = (node.Value, node.Value.End!);
            more = !Add(entry, end.Sampled.Count, end.Sampled.Slice, end);
        }
        foreach (var sequence in underway ?? [])
        {
            if (more)
                break;
            if (_entries.TryGetValue(sequence.Id, out var entry)
                && (!entry.IsListed || sequence.SampledCount > entry.Known))
            {
                more = !Add(entry, sequence.SampledCount, sequence.Sampled, end: null);
            }
        }
        // A new scheduler waits for the report that completes the list, even where that has nothing more.
        if (samples.Count == 0 && _rejected.Count == 0 && (_isListed || underway is null))
            return null;
        _offeredAll = underway is not null && !more;
        more |= !_isListed && !_offeredAll;
        _offeredRejections = Math.Min(_rejected.Count, ReportRejections);
        return _out = new DecoderReport(
            decoder,
            incarnation,
            Epoch,
            ++_number,
            CommandsTaken,
            policy,
            [.. samples],
            [.. _rejected.Take(_offeredRejections)],
            load,
            more || _offeredRejections < _rejected.Count);

        bool Add(JournalEntry entry, int sampled, Func<int, int, SampledTokens> slice, JournalEnd? end)
        {
            if (budget == 0 || samples.Count == ReportSamples)
                return false;
            var length = Math.Min(sampled - entry.Known, budget);
            var isWhole = entry.Known + length == sampled;
            var last = isWhole ? end : null;
            samples.Add(new SampleProgress(
                entry.Id.Group,
                entry.Id.Sample,
                entry.Assignment,
                entry.Known,
                slice(entry.Known, length),
                last?.Finished,
                HandedBack: last is { Finished: null }));
            _offered.Add((entry, entry.Assignment, entry.Known + length, last is not null));
            budget -= length;
            return isWhole;
        }
    }

    /// <summary>The scheduler has taken a report. True where it is the one that is out.</summary>
    public bool Acknowledge(SchedulerEpoch epoch, long number)
    {
        if (epoch != Epoch || number != _out?.Number)
            return false;
        _out = null;
        _isListed |= _offeredAll;
        _rejected.RemoveRange(0, _offeredRejections);
        foreach (var (entry, assignment, tokens, ends) in _offered)
        {
            if (entry.Assignment != assignment)
                continue;
            (entry.Known, entry.IsListed) = (tokens, true);
            if (!ends)
                continue;
            Settle(entry);
            if (entry.End is { Finished: null })
                Remove(entry);
        }
        _offered.Clear();
        return true;
    }

    private void End(SequenceId id, JournalEnd end)
    {
        if (!_entries.TryGetValue(id, out var entry) || entry.End is not null)
            return;
        entry.End = end;
        entry.Place = _ended.AddLast(entry);
    }

    private void Remove(JournalEntry entry)
    {
        // An acknowledgement of what is no longer held means nothing, whatever comes under the same id.
        entry.Assignment = default;
        Settle(entry);
        _entries.Remove(entry.Id);
        var members = _groups[entry.Id.Group];
        members.Remove(entry);
        if (members.Count == 0)
            _groups.Remove(entry.Id.Group);
    }

    private void Settle(JournalEntry entry)
    {
        if (entry.Place is { } place)
            _ended.Remove(place);
        entry.Place = null;
    }

    /// <param name="Sampled">All of its tokens.</param>
    /// <param name="Finished">Why it ended; null where it was handed back.</param>
    private sealed record JournalEnd(SampledTokens Sampled, FinishReason? Finished);

    private sealed class JournalEntry(SequenceId id, AssignmentId assignment, Policy? required)
    {
        public SequenceId Id { get; } = id;

        /// <summary>The only weights that it may be sampled with; null for any.</summary>
        public Policy? Required { get; } = required;

        public AssignmentId Assignment { get; set; } = assignment;

        /// <summary>The scheduler knows that it is here.</summary>
        public bool IsListed { get; set; } = true;

        /// <summary>Tokens that the scheduler knows.</summary>
        public int Known { get; set; }

        /// <summary>How it ended here; null while it is worked on.</summary>
        public JournalEnd? End { get; set; }

        /// <summary>Among those that ended and that the scheduler doesn't know of.</summary>
        public LinkedListNode<JournalEntry>? Place { get; set; }
    }
}
