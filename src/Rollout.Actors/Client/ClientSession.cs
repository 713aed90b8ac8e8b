using System.Threading.Channels;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Protocol.Wire;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>
/// One enumeration of a <see cref="RolloutClient"/>: keeps the window full, and its groups until they have come,
/// whatever happens to schedulers meanwhile (<see cref="Submissions"/>). Outcomes that nobody has read count towards the
/// window: a slow reader holds back what is submitted.
/// </summary>
internal sealed class ClientSession : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan TickEvery = TimeSpan.FromSeconds(1);

    /// <summary>Ticks between two questions to the scheduler, whose answer says when it is another one.</summary>
    private const int AskEvery = 4;

    private readonly IEnumerator<GroupRequest> _source;
    private readonly int _window;
    private readonly Policy? _required;
    private readonly string? _fingerprint;
    private readonly IActorRef _scheduler;
    private readonly ChannelWriter<GroupOutcome> _outcomes;
    private readonly Submissions _submissions = new();
    private bool _isSourceRead;
    private int _ticks;

    public ClientSession(
        IEnumerator<GroupRequest> groups,
        int window,
        Policy? required,
        string? fingerprint,
        IActorRef scheduler,
        ChannelWriter<GroupOutcome> outcomes)
    {
        _source = groups;
        _window = window;
        _required = required;
        _fingerprint = fingerprint;
        _scheduler = scheduler;
        _outcomes = outcomes;
        Receive<IClientMessage>(message =>
        {
            if (_submissions.Take(message) is { } outcome)
                _outcomes.TryWrite(outcome);
            Acknowledge(all: message is OutcomesKept);
            Fill();
        });
        Receive<OutcomeRead>(read =>
        {
            _submissions.Read(read.Outcome);
            Acknowledge(all: false);
            Fill();
        });
        Receive<Tick>(_ =>
        {
            if (++_ticks % AskEvery == 0)
                _scheduler.Tell(new QueryScheduler(_submissions.Epoch));
            _submissions.Tick();
            Acknowledge(all: true);
            Fill();
        });
    }

    /// <param name="groups">Read and disposed of by the session alone.</param>
    /// <param name="window">Groups without an answer, or with one that hasn't been read, at most.</param>
    /// <param name="required">The only weights that they may be decoded with; null for any.</param>
    /// <param name="fingerprint">Of the only model and tokenizer that they may be decoded with; null for any.</param>
    /// <param name="scheduler">Gets the groups.</param>
    /// <param name="outcomes">Gets each group's outcome; completed at the end, with a fault where groups are unanswered.</param>
    public static Props Props(
        IEnumerator<GroupRequest> groups,
        int window,
        Policy? required,
        string? fingerprint,
        IActorRef scheduler,
        ChannelWriter<GroupOutcome> outcomes) =>
        Akka.Actor.Props.Create(() => new ClientSession(groups, window, required, fingerprint, scheduler, outcomes));

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Every group has its outcome.</summary>
    private bool IsOver => _isSourceRead && _submissions.Count == 0;

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer("tick", Tick.Instance, TickEvery);
        Fill();
    }

    protected override void PostStop()
    {
        _source.Dispose();
        Acknowledge(all: true);
        if (IsOver)
        {
            _outcomes.TryComplete();
            return;
        }
        if (_submissions.Count > 0)
            _scheduler.Tell(new CancelGroups(_submissions.Open));
        // An enumeration that just ended would be taken for a complete one.
        _outcomes.TryComplete(new InvalidOperationException(
            $"the actor system stopped before the end: {_submissions.Count} groups on their way were not answered"));
    }

    /// <summary>A fault of the source is the caller's to see.</summary>
    private void Fill()
    {
        try
        {
            while (!_isSourceRead && _submissions.Count + _submissions.Unread < _window)
            {
                if (!_source.MoveNext())
                    _isSourceRead = true;
                else if (WireLimits.WhyTooLarge(_source.Current) is { } reason)
                    _outcomes.TryWrite(_submissions.Refuse(_source.Current.Id, reason));
                else if (!_submissions.Add(_source.Current, _required, _fingerprint))
                    throw new InvalidOperationException($"{_source.Current.Id} is submitted twice");
            }
        }
        catch (Exception fault)
        {
            _outcomes.TryComplete(fault);
            Context.Stop(Self);
        }
        foreach (var submit in _submissions.TakeSendable())
            _scheduler.Tell(submit);
        if (IsOver && _submissions.Unread == 0)
            Context.Stop(Self);
    }

    private void Acknowledge(bool all)
    {
        if (_submissions.TakeAcknowledgement(all) is { } taken)
            _scheduler.Tell(taken);
    }

    /// <summary>From the client: whoever enumerates has this outcome.</summary>
    public sealed record OutcomeRead(GroupOutcome Outcome);

    private sealed record Tick
    {
        public static Tick Instance { get; } = new();
    }
}
