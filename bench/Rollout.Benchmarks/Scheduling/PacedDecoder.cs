using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Benchmarks.Scheduling;

/// <summary>
/// A decoder without a model: every sequence that it runs gains tokens at a fixed rate, or has all of them at once, and
/// it reports them as the real one does.
/// </summary>
internal sealed class PacedDecoder : ReceiveActor, IWithTimers
{
    private readonly IActorRef _scheduler;
    private readonly DecoderId _id;
    private readonly DecoderCapacity _capacity;
    private readonly double _tokensPerSecond;
    private readonly Dictionary<SequenceId, Sample> _samples = [];
    private readonly List<Sample> _offered = [];
    private SchedulerEpoch _epoch;
    private TimeSpan _every;
    private long _commands;
    private long _reports;
    private bool _isReportOut;
    private long _lastTick = TimeProvider.System.GetTimestamp();

    /// <param name="number">Names it.</param>
    /// <param name="scheduler">Gives it work.</param>
    /// <param name="capacity">What it says that it can hold.</param>
    /// <param name="tokensPerSecond">Of each running sequence; infinity finishes what comes at once.</param>
    public PacedDecoder(int number, IActorRef scheduler, DecoderCapacity capacity, double tokensPerSecond)
    {
        _scheduler = scheduler;
        _capacity = capacity;
        _tokensPerSecond = tokensPerSecond;
        _id = new DecoderId(new HostId($"host-{number / 8}:1", number / 8 + 1), $"cuda:{number % 8}");
        Receive<SchedulerHere>(here =>
        {
            if (here.ReportEvery != _every)
                Timers.StartPeriodicTimer("tick", Tick.Instance, _every = here.ReportEvery);
            if (here.Epoch == _epoch)
                return;
            _epoch = here.Epoch;
            Announce();
        });
        Receive<SchedulerCommand>(Take);
        Receive<ReportTaken>(taken => Acknowledge(taken.Number));
        Receive<Tick>(_ => Report());
        Receive<Announcement>(_ => Announce());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() =>
        Timers.StartPeriodicTimer("announce", Announcement.Instance, TimeSpan.Zero, TimeSpan.FromSeconds(5));

    private void Announce() => _scheduler.Tell(new DecoderHere(
        _id, 1, Self, _capacity, default, "none", _epoch, _commands, _samples.Count, Leaving: false));

    private void Take(SchedulerCommand command)
    {
        if (command.Number != _commands + 1)
            return;
        _commands++;
        switch (command)
        {
            case AssignSamples assign:
                foreach (var start in assign.Samples)
                {
                    var id = new SequenceId(assign.Group.Id, start.Sample);
                    _samples[id] = new Sample(id, assign.Assignment, assign.Group.Samples[start.Sample].MaxTokens)
                    {
                        Known = start.Sampled.Count,
                        Count = start.Sampled.Count,
                    };
                }
                break;
            case RecallSamples recall:
                foreach (var sample in recall.Samples)
                {
                    if (_samples.TryGetValue(new SequenceId(recall.Id, sample), out var held) && held.Count == 0)
                        held.IsHandedBack = true;
                }
                break;
        }
        if (double.IsPositiveInfinity(_tokensPerSecond))
            Report();
    }

    private void Report()
    {
        var seconds = TimeProvider.System.GetElapsedTime(_lastTick).TotalSeconds;
        _lastTick = TimeProvider.System.GetTimestamp();
        foreach (var sample in _samples.Values.Take(_capacity.MaxNumSeqs))
            sample.Count = Math.Min(sample.Target, sample.Count + _tokensPerSecond * seconds);
        if (_isReportOut)
            return;
        var news = _samples.Values.Where(sample => (int)sample.Count > sample.Known || sample.IsHandedBack).ToArray();
        if (news.Length == 0)
            return;
        _isReportOut = true;
        _offered.AddRange(news);
        var running = Math.Min(_samples.Count, _capacity.MaxNumSeqs);
        _scheduler.Tell(new DecoderReport(
            _id, 1, _epoch, ++_reports, _commands, default, Array.ConvertAll(news, sample => sample.Offer()), [],
            new DeviceLoad(running, _samples.Count - running, _capacity.Blocks), More: false));
    }

    private void Acknowledge(long number)
    {
        if (number != _reports)
            return;
        _isReportOut = false;
        foreach (var sample in _offered)
        {
            sample.Known = sample.Offered;
            if (sample.Known == sample.Target || sample.IsHandedBack)
                _samples.Remove(sample.Id);
        }
        _offered.Clear();
        if (double.IsPositiveInfinity(_tokensPerSecond))
            Report();
    }

    private sealed class Sample(SequenceId id, AssignmentId assignment, int target)
    {
        public SequenceId Id { get; } = id;

        public int Target { get; } = target;

        /// <summary>Tokens so far, and a share of the next.</summary>
        public double Count { get; set; }

        /// <summary>Tokens that the scheduler knows.</summary>
        public int Known { get; set; }

        public int Offered { get; private set; }

        public bool IsHandedBack { get; set; }

        public SampleProgress Offer()
        {
            Offered = (int)Count;
            var sampled = new SampledTokens(
                new int[Offered - Known], new float[Offered - Known], [new VersionSpan(default, 0)]);
            FinishReason? finished = Offered == Target && !IsHandedBack ? FinishReason.Length : null;
            return new SampleProgress(Id.Group, Id.Sample, assignment, Known, sampled, finished, IsHandedBack);
        }
    }

    private sealed record Tick
    {
        public static Tick Instance { get; } = new();
    }

    private sealed record Announcement
    {
        public static Announcement Instance { get; } = new();
    }
}
