using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Blocks;

/// <summary>
/// A decoder whose every decision comes from a tape: what arrives, grows, finishes, is aborted, when a step
/// fails and when the policy changes. It drives a ledger and the reference ledger alike, carries out the
/// grants on a fake device (on most tapes one step behind, as the real one does) and checks after each step
/// that every sequence reads exactly its own tokens.
/// </summary>
internal sealed class LedgerDriver
{
    private readonly ChoiceTape _tape;
    private readonly SimulatedClient _client;
    private readonly ComparedLedgers _ledgers;
    private readonly FakeDevice _device;
    private readonly bool _runsAhead;

    private readonly List<Holding> _held = []; // oldest group first
    private readonly List<Holding> _gone = [];
    private readonly List<SequenceRelease> _releases = [];
    private readonly List<SequenceRelease> _oldReleases = [];
    private List<List<SimulatedSequence>> _waiting = [];
    private List<List<SimulatedSequence>> _asked = [];
    private PolicyVersion _version = new(3);
    private PlannedStep _plan = new([], []);
    private long _step;

    public LedgerDriver(byte[] tape)
    {
        _tape = new ChoiceTape(tape);
        _client = new SimulatedClient(_tape);
        var geometry = new KvCacheGeometry(4 + _tape.Next(28), 1 + _tape.Next(4));
        _runsAhead = _tape.Next(4) > 0;
        var caching = _tape.Next(8) > 0;
        _ledgers = new ComparedLedgers(geometry, _version, caching);
        _device = new FakeDevice(geometry);
    }

    /// <summary>How often the interesting things happened.</summary>
    public HistoryCoverage Coverage => _ledgers.Coverage;

    /// <summary>Lives until the tape ends, then gives everything back: nothing may be missing.</summary>
    public void RunToTheEnd()
    {
        while (!_tape.Ended)
            Step();
        foreach (var holding in _held.ToArray())
            Drop(holding, release: true);
        _releases.AddRange(_waiting.SelectMany(group => group).Select(Release));
        _waiting.Clear();
        var idle = _ledgers.Reserve(Demand()).Usage;
        Assert.Equal((idle.Total, 0, 0), (idle.Free + idle.Cached, idle.InUse, idle.Logical));
        ResetPolicy();
        Assert.Equal(idle.Total, _ledgers.Usage.Free);
    }

    private void Step()
    {
        if (_waiting.Count < 6 && _tape.Chance(50))
            _waiting.Add(_client.NewGroup());
        if (_tape.Chance(10) && _held.Count > 0) // aborted, perhaps while it is in the running step
            Drop(_held[_tape.Next(_held.Count)], release: true);
        if (_tape.Chance(5) && _waiting.Count > 0)
            AbortWaiting();
        var demand = Demand();
        var grant = _ledgers.Reserve(demand);
        if (!_runsAhead)
            _plan = Apply(demand, grant);
        if (_tape.Chance(8))
            Fail(_plan);
        else
            Run(_plan);
        foreach (var holding in _held.Where(_ => _tape.Chance(8)).ToArray())
            Drop(holding, release: true); // finished
        if (_tape.Chance(6))
            ResetPolicy();
        if (_runsAhead)
            _plan = Apply(demand, grant);
    }

    private void AbortWaiting()
    {
        var group = _waiting[_tape.Next(_waiting.Count)];
        _releases.AddRange(group.Select(Release));
        _waiting.Remove(group);
    }

    private StepDemand Demand()
    {
        var demand = new StepDemand
        {
            Step = ++_step,
            Version = _version,
            Written = [.. Written()],
            Releases = [.. Releases()],
            Growth = [.. Growth()],
            Admissions = [.. _waiting.Select(Request)],
        };
        _asked = [.. _waiting];
        _oldReleases.AddRange(_releases);
        _releases.Clear();
        return demand;
    }

    private IEnumerable<WrittenTokens> Written()
    {
        foreach (var prefill in _held.Select(holding => holding.Prefill).Distinct())
        {
            if (prefill.Cells.Count == prefill.Reported || _tape.Chance(20))
                continue;
            var reporter = prefill.Members[_tape.Next(prefill.Members.Count)];
            prefill.Reported = prefill.Cells.Count;
            yield return new WrittenTokens(reporter.Sequence.Id, reporter.Admission, prefill.Cells.Count);
        }

        if (_gone.Count > 0 && _tape.Chance(20)) // late
        {
            var late = _gone[_tape.Next(_gone.Count)];
            yield return new WrittenTokens(late.Sequence.Id, late.Admission, late.Prefill.Cells.Count);
        }
    }

    private IEnumerable<SequenceRelease> Releases()
    {
        foreach (var release in _releases)
            yield return release;
        if (_oldReleases.Count > 0 && _tape.Chance(20)) // again
            yield return _oldReleases[_tape.Next(_oldReleases.Count)];
        if (_tape.Chance(5)) // unknown
            yield return new SequenceRelease(new SequenceId(new GroupId(-1), 0), default);
    }

    private List<SequenceGrowth> Growth()
    {
        var growth = new List<SequenceGrowth>();
        foreach (var holding in _held.Where(_ => !_tape.Chance(10)))
        {
            var more = holding.Prefilled ? 1 + _tape.Next(_tape.Chance(10) ? 9 : 1) : 0;
            growth.Add(Grown(holding, more));
        }

        if (_gone.Count > 0 && _tape.Chance(20)) // late
        {
            var late = Grown(_gone[_tape.Next(_gone.Count)], 1);
            if (!growth.Exists(other => other.Sequence == late.Sequence))
                growth.Insert(_tape.Next(growth.Count + 1), late);
        }

        return growth;
    }

    private static SequenceGrowth Grown(Holding holding, int more) => new(
        holding.Sequence.Id, holding.Admission, Math.Min(holding.Reserved + more, holding.Sequence.MaxLength));

    private static SequenceRelease Release(SimulatedSequence sequence) => new(sequence.Id, sequence.Admission);

    private static AdmissionRequest Request(List<SimulatedSequence> group)
    {
        var first = group[0];
        return new([.. group.Select(sequence => sequence.Id)], first.Admission, first.Tokens, first.MaxLength);
    }

    /// <summary>Takes a grant over into the decoder's own tables and plans the step.</summary>
    private PlannedStep Apply(StepDemand demand, StepGrant grant)
    {
        foreach (var holding in _held.Where(held => grant.Preempted.Contains(held.Sequence.Id)).ToArray())
            Again(holding, release: false);
        foreach (var change in grant.Changes)
        {
            if (_held.Find(holding => holding.Sequence.Id == change.Sequence) is not { } holding)
                continue;
            Assert.InRange(change.Index, 0, holding.Table.Count);
            if (change.Index == holding.Table.Count)
                holding.Table.Add(change.Block);
            else
                holding.Table[change.Index] = change.Block;
        }

        foreach (var growth in demand.Growth)
        {
            var named = (growth.Sequence, growth.Admission);
            if (_held.Find(held => (held.Sequence.Id, held.Admission) == named) is { } holding)
                holding.Reserved = Math.Max(holding.Reserved, growth.Tokens);
        }

        foreach (var (group, answer) in _asked.Zip(grant.Answers))
        {
            if (answer is not AdmissionAnswer.Deferred)
                _waiting.Remove(group);
            if (answer is AdmissionAnswer.Granted granted)
                Hold(group, granted, demand.Version);
        }

        return new PlannedStep(grant.Copies, [.. _held.Select(Planned).OfType<PlannedWrite>()]);
    }

    /// <summary>
    /// A prefix hit must be the KV of the prompt's own beginning, all of it of the demand's policy.
    /// </summary>
    private void Hold(List<SimulatedSequence> group, AdmissionAnswer.Granted granted, PolicyVersion version)
    {
        var cells = new List<ulong>();
        for (var i = 0; i < granted.CachedTokens; i++)
        {
            var previous = cells.LastOrDefault(FakeDevice.Start);
            cells.Add(FakeDevice.CellAfter(previous, group[0].TokenAt(i), version));
            Assert.Equal(cells[i], _device.Read(granted.Blocks, i));
        }

        var prefill = new Prefill(group[0].KnownTokens, cells) { Reported = cells.Count };
        prefill.Members.AddRange(group.Select(sequence => new Holding(sequence, prefill, granted.Blocks)));
        _held.AddRange(prefill.Members);
    }

    private PlannedWrite? Planned(Holding holding)
    {
        var prefill = holding.Prefill;
        if (holding.Prefilled)
        {
            var (from, to) = (holding.Planned, holding.Reserved);
            holding.Planned = to;
            return from == to ? null : new PlannedWrite(holding, [.. holding.Table], from, to);
        }

        if (prefill.Members[0] != holding || _tape.Chance(10))
            return null;
        var first = prefill.Planned;
        var chunk = _tape.Chance(50) ? prefill.Tokens : 1 + _tape.Next(4);
        prefill.Planned = Math.Min(first + chunk, prefill.Tokens);
        return new PlannedWrite(holding, [.. holding.Table], first, prefill.Planned);
    }

    private void Run(PlannedStep step)
    {
        _device.Copy(step.Copies);
        foreach (var (holding, table, from, to) in step.Writes)
        {
            var cells = from < holding.Prefill.Tokens ? holding.Prefill.Cells : holding.Cells;
            for (var position = from; position < to; position++)
            {
                Assert.Equal(position, holding.Written.Count());
                var previous = holding.Written.LastOrDefault(FakeDevice.Start);
                cells.Add(FakeDevice.CellAfter(previous, holding.Sequence.TokenAt(position), _version));
                _device.Write(table, position, cells[^1]);
            }
        }

        foreach (var holding in _held)
        {
            var position = 0;
            foreach (var cell in holding.Written)
                Assert.Equal(cell, _device.Read(holding.Table, position++));
        }
    }

    /// <summary>Nothing of the step reached the device: whoever was in it is tried again.</summary>
    private void Fail(PlannedStep step)
    {
        var alone = step.Writes.Select(write => write.Holding);
        var prefilling = step.Writes.Select(write => write.Holding.Prefill)
            .Where(prefill => prefill.Cells.Count < prefill.Tokens)
            .SelectMany(prefill => prefill.Members);
        foreach (var holding in alone.Concat(prefilling).Distinct().Where(_held.Contains).ToArray())
            Again(holding, release: _tape.Chance(50)); // else the next admission ends this one
    }

    /// <summary>
    /// The sequence keeps its tokens, the one sampled last perhaps not yet written, and waits.
    /// </summary>
    private void Again(Holding holding, bool release)
    {
        Drop(holding, release);
        var sequence = holding.Sequence;
        var known = Math.Max(sequence.KnownTokens, holding.Written.Count() + _tape.Next(2));
        sequence.KnownTokens = Math.Min(known, sequence.MaxLength);
        sequence.Admission = sequence.Admission.Next();
        _waiting = [[sequence], .. _waiting];
    }

    private void Drop(Holding holding, bool release)
    {
        if (release)
            _releases.Add(new SequenceRelease(holding.Sequence.Id, holding.Admission));
        _held.Remove(holding);
        holding.Prefill.Members.Remove(holding);
        _gone.Add(holding);
    }

    private void ResetPolicy()
    {
        _version = _version.Next();
        _ledgers.ResetPolicy(_version);
    }
}
