using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>
/// The samples that a decoder holds, and how much of them its scheduler knows. A report contains everything after the
/// last acknowledged one. One report is outstanding at a time and is repeated unchanged, so that a late acknowledgement
/// still counts. Finished samples are kept until their group is over, so that a new scheduler need not sample them
/// again. DecoderJournal.Changes.cs has what cuts a sample's course short.
/// </summary>
public sealed partial class DecoderJournal
{
    /// <summary>
    /// The most tokens of a report: some 128 KiB, so that it doesn't delay other messages on the connection.
    /// </summary>
    private const int ReportTokens = 16_384;

    /// <summary>The most samples of a report.</summary>
    private const int ReportSamples = 1024;

    /// <summary>The most rejections of a report, each with a reason of a few thousand characters.</summary>
    private const int ReportRejections = 64;

    private readonly Dictionary<SequenceId, JournalEntry> _entries = [];
    private readonly Dictionary<GroupId, HashSet<JournalEntry>> _groups = [];
    private readonly LinkedList<JournalEntry> _ended = [];          // unknown to the scheduler
    private readonly List<GroupRejection> _rejected = [];
    private readonly List<(JournalEntry Entry, AssignmentId Assignment, int Tokens, bool Ends)> _offered = [];
    private DecoderReport? _out;        // made and not acknowledged
    private int _offeredRejections;
    private bool _offeredAll;
    private bool _isListed = true;      // the scheduler knows of every sample here
    private long _number;
    private int _streams;               // unfinished samples of streamed groups

    /// <summary>The epoch of the scheduler that it follows; 0 at first.</summary>
    public SchedulerEpoch Epoch { get; private set; }

    /// <summary>Commands of this epoch that were carried out.</summary>
    public long CommandsTaken { get; private set; }

    /// <summary>A report was made and is not acknowledged.</summary>
    public bool IsReportOut => _out is not null;

    /// <summary>Samples or groups have ended, and the scheduler doesn't know.</summary>
    public bool HasNews => _ended.Count > 0 || _rejected.Count > 0;

    /// <summary>Some unfinished samples are shown while they grow.</summary>
    public bool HasStreams => _streams > 0;

    /// <summary>Unfinished samples, and finished ones that are kept.</summary>
    public int HeldSamples => _entries.Count;

    /// <summary>True for the next command of the scheduler that it follows, which is carried out now.</summary>
    public bool Accept(SchedulerCommand command)
    {
        if (command.Epoch != Epoch || command.Number != CommandsTaken + 1)
            return false;
        CommandsTaken++;
        return true;
    }

    /// <summary>Adds a sample that the decoder works on from now on. True if it replaces one that was held.</summary>
    /// <param name="group">The sample's group.</param>
    /// <param name="start">What the scheduler knows of it.</param>
    /// <param name="assignment">The assignment that it is reported under.</param>
    /// <param name="required">The only weights that it may be sampled with; null for any.</param>
    /// <param name="streamed">See <see cref="GroupRequest"/>.</param>
    public bool Assign(
        GroupId group, SampleStart start, AssignmentId assignment, Policy? required = null, bool streamed = false)
    {
        var id = new SequenceId(group, start.Sample);
        var wasHeld = _entries.TryGetValue(id, out var held);
        if (wasHeld)
            Remove(held!);
        var entry = new JournalEntry(id, assignment, required, streamed) { Known = start.Sampled.Count };
        _entries.Add(id, entry);
        _streams += streamed ? 1 : 0;
        if (!_groups.TryGetValue(group, out var members))
            _groups.Add(group, members = []);
        members.Add(entry);
        return wasHeld;
    }

    /// <summary>Records a finished sample.</summary>
    public void Finish(GroupId group, Completion completion) => End(
        new SequenceId(group, completion.Sample), new JournalEnd(completion.Sampled, completion.Reason));

    /// <summary>Drops a group that is over.</summary>
    public void Forget(GroupId group)
    {
        if (!_groups.TryGetValue(group, out var members))
            return;
        foreach (var member in members.ToArray())
            Remove(member);
    }

    /// <summary>The outstanding report, unchanged, or else the next one; null without news.</summary>
    /// <param name="decoder">The decoder that reports.</param>
    /// <param name="incarnation">Its incarnation.</param>
    /// <param name="policy">The policy that it decodes with.</param>
    /// <param name="underway">Unfinished sequences; null reports only what has ended.</param>
    /// <param name="load">How full the device is.</param>
    /// <param name="onlyStreams">Of the unfinished sequences that the scheduler knows, report only those of streamed groups.</param>
    public DecoderReport? Report(
        DecoderId decoder,
        int incarnation,
        Policy policy,
        IEnumerable<Sequence>? underway,
        DeviceLoad load,
        bool onlyStreams = false)
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
                && (!entry.IsListed || (sequence.SampledCount > entry.Known && (entry.IsStreamed || !onlyStreams))))
            {
                more = !Add(entry, sequence.SampledCount, sequence.Sampled, end: null);
            }
        }
        // A new scheduler waits for the report that completes the list, even if that one is empty.
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

    /// <summary>Records that the scheduler has a report. True if that is the outstanding one.</summary>
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
            RemoveFromNews(entry);
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
        _streams -= entry.IsStreamed ? 1 : 0;
        entry.Place = _ended.AddLast(entry);
    }

    private void Remove(JournalEntry entry)
    {
        // A late acknowledgement of this entry must not touch another one of the same id.
        entry.Assignment = default;
        _streams -= entry is { IsStreamed: true, End: null } ? 1 : 0;
        RemoveFromNews(entry);
        _entries.Remove(entry.Id);
        var members = _groups[entry.Id.Group];
        members.Remove(entry);
        if (members.Count == 0)
            _groups.Remove(entry.Id.Group);
    }

    private void RemoveFromNews(JournalEntry entry)
    {
        if (entry.Place is { } place)
            _ended.Remove(place);
        entry.Place = null;
    }
}
