using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

/// <summary>
/// A scheduler's book, decoders that come and go, a client, and a network that loses, doubles and reorders what they
/// say; driven by a random history. After each event the book is compared with what it says of itself, counted anew.
/// </summary>
internal sealed class SimulatedCluster(int seed)
{
    internal const string OtherModel = "other";

    /// <summary>No group is longer.</summary>
    private const int Longest = 28;

    private static readonly Policy[] Policies = [default, new Policy(Run: 3, new PolicyVersion(1))];
    private static readonly TimeSpan OrphanTime = TimeSpan.FromMinutes(1);

    private static readonly SchedulerSettings Settings = TestSettings.Scheduler with
    {
        LookaheadSeqs = 2,
        QueueDepth = 2,
        DecoderTimeout = TimeSpan.FromDays(1000),
        GroupTimeout = TimeSpan.FromDays(1000),
    };

    private readonly Random _random = new(seed);
    private readonly List<SimulatedDecoder> _decoders = [];
    private readonly List<(SimulatedDecoder To, IDecoderMessage Message)> _toDecoders = [];
    private readonly List<(GroupBook To, object Message)> _toScheduler = [];
    private readonly Dictionary<GroupId, SubmitGroup> _wanted = [];         // submitted, without an answer
    private readonly Dictionary<GroupId, Policy?> _required = [];
    private readonly HashSet<SchedulerCommand> _commands = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<GroupId, GroupOutcome> _answers = [];
    private readonly HashSet<GroupId> _cancelled = [];
    private readonly List<GroupId> _unacknowledged = [];
    private readonly List<GroupId> _unheard = [];
    private readonly List<GroupId> _called = [];
    private GroupBook _book = null!;        // made by Run
    private DecoderIntake _intake = null!;
    private DecoderRegistry _registry = null!;
    private long _epoch = 1;
    private TimeSpan _now;
    private int _groups;
    private int _hosts;
    private bool _isCalm;

    /// <summary>How often a thing happened, to know that the histories have it.</summary>
    public Dictionary<string, int> Seen { get; } = [];

    public void Run(int events)
    {
        OpenBook(1);
        AddDecoder(Policies[0], SimulatedDecoder.Model, Longest);
        for (var i = 0; i < events; i++)
        {
            Act();
            Check();
        }
        Calm();
    }

    private void OpenBook(long epoch)
    {
        _book = new GroupBook(new SchedulerEpoch(epoch), Settings, () => _now);
        _intake = new DecoderIntake(
            new SchedulerEpoch(epoch), _book, (_, reason) => Assert.Fail($"seed {seed}: {reason}"));
        _registry = new DecoderRegistry(new SchedulerEpoch(epoch), _book);
    }

    private void Act()
    {
        _now += TimeSpan.FromMilliseconds(_random.Next(500));
        switch (_random.Next(100))
        {
            case < 8:
                Submit(new SubmitGroup(Groups.Of(++_groups, 1 + _random.Next(20), NewLengths()), NewRequired()));
                break;
            case < 14 when _unheard.Count > 0:
                // Its answer got lost: it is given again when the client submits again.
                if (_wanted.TryGetValue(_unheard[0], out var unheard))
                    Submit(unheard);
                _unheard.RemoveAt(0);
                break;
            case < 12 when _called.Count > 0:
                if (_wanted.TryGetValue(_called[0], out var called))
                    Submit(called);
                _called.RemoveAt(0);
                break;
            case < 14 when _wanted.Count > 0:
                Submit(_wanted.Values.ElementAt(_random.Next(_wanted.Count)));
                break;
            case < 16 when _wanted.Count > 0:
                Cancel(_wanted.Keys.ElementAt(_random.Next(_wanted.Count)));
                break;
            case < 20:
                Acknowledge();
                break;
            case < 45:
                Any()?.Step();
                break;
            case < 62:
                Say(Any());
                break;
            case < 66:
                Announce(Any());
                break;
            case < 68:
                AddDecoder(NewPolicy(), _random.Next(8) == 0 ? OtherModel : SimulatedDecoder.Model, 6 + _random.Next(Longest));
                break;
            case < 69 when _decoders.Count > 1:
                Kill(Any()!, hostToo: _random.Next(2) == 0);
                break;
            case < 70 when _decoders.Count > 1:
                Note("drain");
                Any()!.Drain();
                break;
            case < 71 when _random.Next(2) == 0:
                if (Any() is { } changed)
                    changed.Policy = NewPolicy();
                break;
            case < 72 when _random.Next(4) == 0:
                HandOver();
                break;
            default:
                for (var i = 0; i < 4; i++)
                    Deliver();
                break;
        }
    }

    /// <summary>The network keeps what it is given and everybody does their work, until all is answered and forgotten.</summary>
    private void Calm()
    {
        _isCalm = true;
        for (var round = 0; _wanted.Count > 0 || _decoders.Exists(decoder => decoder.Journal.HeldSamples > 0); round++)
        {
            Assert.True(round < 2000, $"seed {seed}: {_wanted.Count} groups are never answered, {_book.WaitingSequences} sequences wait");
            _now += TimeSpan.FromSeconds(1);
            AddWhoIsMissing();
            foreach (var group in _wanted.Values.ToArray())
                Submit(group);
            Acknowledge();
            AnswerForOverdue();
            _book.DropLate();
            foreach (var decoder in _decoders)
            {
                decoder.Step();
                Announce(decoder);
                Say(decoder);
            }
            while (_toDecoders.Count + _toScheduler.Count > 0)
                Deliver();
            Check();
        }
        _now += 2 * OrphanTime;
        AnswerForOverdue();
        Acknowledge();
        Assert.All(Enumerable.Range(1, _groups), id => Assert.Null(_book.Find(new GroupId(id))));
        Assert.Equal(0, _book.GroupsOnTheirWay);
        Assert.Equal(0, _book.WaitingSequences);
        Assert.All(_book.Decoders.All, decoder => Assert.Equal((0, 0), (decoder.AssignedSeqs, decoder.ReservedBlocks)));
    }

    private int[] NewLengths() => [.. Enumerable.Range(0, 1 + _random.Next(5)).Select(_ => 1 + _random.Next(8))];

    private Policy NewPolicy() => Policies[_random.Next(Policies.Length)];

    private Policy? NewRequired() => _random.Next(3) == 0 ? NewPolicy() : null;

    private SimulatedDecoder? Any() => _decoders.Count == 0 ? null : _decoders[_random.Next(_decoders.Count)];

    private void Note(string what) => Seen[what] = Seen.GetValueOrDefault(what) + 1;

    private void Submit(SubmitGroup submit)
    {
        var id = submit.Group.Id;
        _wanted[id] = submit;
        _required[id] = submit.RequiredPolicy;
        var came = _book.Submit(submit.Group, submit.RequiredPolicy);
        Note(came.ToString());
        if (came == Submission.Ended)
            Answer(_book.Find(id)!.Outcome!);
        Flush();
    }

    private void Cancel(GroupId id)
    {
        _wanted.Remove(id);
        _cancelled.Add(id);
        _book.Cancel(id);
        Flush();
    }

    private void Acknowledge()
    {
        foreach (var id in _unacknowledged)
        {
            if (_isCalm || _random.Next(4) > 0)
                _book.Acknowledge(id);
            else
                Note("lost acknowledgement");
        }
        _unacknowledged.Clear();
        Flush();
    }

    /// <summary>
    /// The client is asked after outcomes that were not acknowledged, and has them: what it misses it has submitted again.
    /// What nobody wants, after a hand-over, is dropped.
    /// </summary>
    private void AnswerForOverdue()
    {
        foreach (var kept in _book.TakeOverdue())
        {
            Assert.NotNull(kept.Outcome);
            if (!_wanted.ContainsKey(kept.Id))
                _unacknowledged.Add(kept.Id);
        }
    }

    private void AddDecoder(Policy policy, string model, int longest)
    {
        var id = new DecoderId(new HostId($"host-{++_hosts}:1", _hosts), "cpu");
        var capacity = new DecoderCapacity(1 + _random.Next(6), 40 + _random.Next(60), 4, longest, VocabularySize: 1000);
        _decoders.Add(new SimulatedDecoder(id, 1, capacity, model) { Policy = policy });
    }

    /// <summary>All groups can be run by somebody.</summary>
    private void AddWhoIsMissing()
    {
        var model = _book.Fingerprint ?? SimulatedDecoder.Model;
        foreach (var policy in Policies)
        {
            if (!_decoders.Exists(decoder => decoder.Fingerprint == model && decoder.Policy == policy
                && decoder.Here() is { Leaving: false, Capacity.Reach: >= Longest }))
            {
                AddDecoder(policy, model, Longest);
            }
        }
    }

    private void Kill(SimulatedDecoder decoder, bool hostToo)
    {
        Note("kill");
        _decoders.Remove(decoder);
        _toDecoders.RemoveAll(sent => sent.To == decoder);
        if (hostToo)
        {
            _registry.Remove(decoder.Id.Host);
        }
        else
        {
            // Word of its end may be lost: the next incarnation says it too.
            if (_random.Next(2) == 0)
                _registry.Remove(new DecoderLost(decoder.Id, decoder.Incarnation, "a fault", ComesBack: true));
            _decoders.Add(new SimulatedDecoder(
                decoder.Id, decoder.Incarnation + 1, decoder.Here().Capacity, decoder.Fingerprint)
            {
                Policy = decoder.Policy,
            });
        }
        Flush();
    }

    /// <summary>The scheduler dies. The next one knows nothing; the old one may wake and say things.</summary>
    private void HandOver()
    {
        Note("hand-over");
        var zombie = _book;
        OpenBook(++_epoch);
        _book.Pause();
        _unacknowledged.Clear();
        if (_random.Next(2) == 0)
        {
            zombie.FailAll("thought dead");
            Send(zombie);
        }
    }

    private void Announce(SimulatedDecoder? decoder)
    {
        if (decoder is not null)
            _toScheduler.Add((_book, decoder.Here()));
    }

    private void Say(SimulatedDecoder? decoder)
    {
        if (decoder?.Report(_random.Next(2) == 0) is { } report)
            _toScheduler.Add((_book, report));
    }

    /// <summary>One message arrives, perhaps before earlier ones, perhaps twice, perhaps not.</summary>
    private void Deliver()
    {
        var fate = _isCalm ? 3 : _random.Next(10);
        if (_toScheduler.Count > 0 && (_toDecoders.Count == 0 || _random.Next(2) == 0))
        {
            var at = _isCalm ? 0 : _random.Next(Math.Min(3, _toScheduler.Count));
            var (book, message) = _toScheduler[at];
            if (fate != 0)
                _toScheduler.RemoveAt(at);
            if (fate != 1 && book == _book)
                Arrive(message);
        }
        else if (_toDecoders.Count > 0)
        {
            var at = _isCalm ? 0 : _random.Next(Math.Min(3, _toDecoders.Count));
            var (decoder, message) = _toDecoders[at];
            if (fate != 0)
                _toDecoders.RemoveAt(at);
            if (fate != 1)
                decoder.Take(message);
        }
    }

    private void Arrive(object message)
    {
        if (message is DecoderHere here)
        {
            var before = _book.Decoders.All.Select(known => known.Id).ToArray();
            if (_registry.Register(here, out var refusal) is { } decoder)
            {
                if (Array.Exists(before, id => _book.Decoders.Find(id) is null))
                    Note("make way");
                Tell(here.Id, here.Incarnation, new SchedulerHere(new SchedulerEpoch(_epoch), TimeSpan.Zero));
                Send(decoder);
            }
            if (refusal is not null)
                Refuse(here);
        }
        else if (_intake.AcceptReport((DecoderReport)message) is { } decoder)
        {
            var report = (DecoderReport)message;
            Tell(report.Decoder, report.Incarnation, new ReportTaken(report.Epoch, report.Number));
            Send(decoder);
        }
        if (_book.IsPaused && _decoders.TrueForAll(decoder => _book.Decoders.Find(decoder.Id) is { HasReported: true } known
            && known.Announcement.Incarnation == decoder.Incarnation))
        {
            _book.Resume();
        }
        Flush();
    }

    private void Flush()
    {
        foreach (var id in _book.TakeCalled())
        {
            Note("called");
            _called.Add(id);
        }
        foreach (var group in _book.TakeEnded())
        {
            if (_isCalm || _random.Next(4) > 0)
                Answer(group.Outcome!);
            else
                _unheard.Add(group.Id);
        }
        Send(_book);
    }

    private void Send(GroupBook book)
    {
        foreach (var decoder in book.Decoders.TakeToTell())
            Send(decoder);
    }

    private void Send(KnownDecoder decoder)
    {
        foreach (var command in decoder.Commands.TakeSendable(_now))
        {
            if (command is RecallSamples)
                Note("recall");
            if (command is AssignSamples assign && _commands.Add(command))
            {
                Assert.Equal(_required[assign.Group.Id] ?? decoder.Announcement.Policy, decoder.Announcement.Policy);
                Assert.InRange(
                    assign.Group.Prompt.Length + assign.Group.Samples.Max(sample => sample.MaxTokens),
                    0,
                    decoder.Capacity.Reach);
            }
            Tell(decoder.Id, decoder.Announcement.Incarnation, command);
        }
    }

    /// <summary>One of another model ends.</summary>
    private void Refuse(DecoderHere here)
    {
        Note("refusal");
        Assert.NotEqual(_book.Fingerprint, here.Fingerprint);
        if (_decoders.RemoveAll(decoder => decoder.Id == here.Id) == 0)
            return;
        _toDecoders.RemoveAll(sent => sent.To.Id == here.Id);
        _registry.Remove(here.Id.Host);
    }

    private void Tell(DecoderId id, int incarnation, IDecoderMessage message)
    {
        if (_decoders.Find(decoder => decoder.Id == id && decoder.Incarnation == incarnation) is { } decoder)
            _toDecoders.Add((decoder, message));
    }

    /// <summary>
    /// The model that drew a group's samples, which is one for all. A single sample can't tell which: both models may draw
    /// the same tokens for it.
    /// </summary>
    internal static string ModelOf(GroupRequest group, Completion[] completions) =>
        completions.All(one => Groups.Expected(group, one.Sample, KeyOf).SequenceEqual(one.Tokens))
            ? SimulatedDecoder.Model
            : OtherModel;

    /// <summary>The key of a sequence's draws: no group's samples depend on a seed here.</summary>
    internal static ulong KeyOf(ulong seed, SequenceId id) => Groups.Key(0, id);

    /// <summary>The client takes an answer: each group once, with the tokens that nothing has disturbed.</summary>
    private void Answer(GroupOutcome outcome)
    {
        _unacknowledged.Add(outcome.Id);
        if (_cancelled.Contains(outcome.Id) || !_wanted.Remove(outcome.Id, out var submitted))
            return;
        Assert.True(_answers.TryAdd(outcome.Id, outcome), $"seed {seed}: {outcome.Id} is answered twice");
        if (outcome is GroupFailed { Reason: var reason } && reason.Contains("was lost 3 times"))
        {
            Note("suspect");
            return;
        }
        var finished = Assert.IsType<GroupFinished>(outcome);
        var group = submitted.Group;
        Groups.AssertExpected(
            group, finished.Completions, KeyOf, SimulatedDecoder.VersionOf(ModelOf(group, finished.Completions)));
    }

    private void Check()
    {
        var waiting = 0;
        foreach (var decoder in _book.Decoders.All)
        {
            var slots = decoder.Groups.Keys.SelectMany(group => group.Slots).Where(slot => slot.Decoder == decoder).ToArray();
            Assert.Equal(slots.Length, decoder.AssignedSeqs);
            Assert.Equal(
                slots.Sum(slot => slot.ReservedBlocks) + decoder.Groups.Values.Sum(share => share.PromptBlocks),
                decoder.ReservedBlocks);
        }
        foreach (var group in Enumerable.Range(1, _groups).Select(id => _book.Find(new GroupId(id))).OfType<RolloutGroup>())
        {
            Assert.Equal(group.Waiting, group.Slots.Count(slot => slot.IsWaiting));
            Assert.Equal(group.Unfinished, group.Slots.Count(slot => !slot.IsFinished));
            waiting += group.Request is null ? 0 : group.Waiting;
        }
        Assert.Equal(waiting, _book.WaitingSequences);
        // Nothing is sampled by two that follow the same scheduler.
        var sampled = _decoders.Where(decoder => decoder.Journal.Epoch.Value == _epoch)
            .SelectMany(decoder => decoder.Underway).ToArray();
        Assert.Equal(sampled.Length, sampled.Distinct().Count());
    }
}
