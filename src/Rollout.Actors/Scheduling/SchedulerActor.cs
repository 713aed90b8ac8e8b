using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// The one scheduler of a cluster: takes groups from clients, hands each to one decoder, and gives every client an
/// answer for every group, whatever happens to decoders meanwhile.
/// </summary>
public sealed class SchedulerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan DeadlineCheck = TimeSpan.FromSeconds(1);

    private readonly SchedulerSettings _settings;
    private readonly GroupBook _book;
    private readonly Dictionary<GroupId, IActorRef> _submitters = [];
    private readonly Dictionary<DecoderId, IActorRef> _decoders = [];
    private readonly HashSet<DecoderId> _returning = [];
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private string? _nobodyLeft;        // why no decoder will come back; null while one is there or on its way

    /// <param name="settings">Deadlines and lookahead.</param>
    /// <param name="time">What group deadlines are measured with.</param>
    public SchedulerActor(SchedulerSettings settings, TimeProvider time)
    {
        _settings = settings;
        _time = time;
        _started = time.GetTimestamp();
        _book = new GroupBook(new PlacementPolicy(settings.LookaheadSeqs));
        Receive<SubmitGroup>(Submit);
        Receive<CancelGroups>(cancel =>
        {
            Array.ForEach(cancel.Groups, Cancel);
            Assign();
        });
        Receive<DecoderReady>(Welcome);
        Receive<GroupDecoded>(done =>
            End(done.Decoder, done.Id, done.Attempt, new GroupFinished(done.Id, done.Completions)));
        Receive<GroupRejected>(rejected =>
            End(rejected.Decoder, rejected.Id, rejected.Attempt, new GroupFailed(rejected.Id, rejected.Reason)));
        Receive<DecoderLost>(Lose);
        Receive<HostLost>(lost =>
        {
            _book.HostDown(lost.Host);
            _returning.RemoveWhere(id => id.Host == lost.Host);
            Assign();
        });
        Receive<QueryScheduler>(_ => Sender.Tell(new SchedulerReport(_book.DecoderCount, _book.Groups.Count)));
        Receive<CheckDeadlines>(_ => FailOverdue());
    }

    public static Props Props(SchedulerSettings settings, TimeProvider? time = null)
    {
        var clock = time ?? TimeProvider.System;
        return Akka.Actor.Props.Create(() => new SchedulerActor(settings, clock));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private TimeSpan Now => _time.GetElapsedTime(_started);

    protected override void PreStart() => Timers.StartPeriodicTimer("deadlines", CheckDeadlines.Instance, DeadlineCheck);

    private void Submit(SubmitGroup submit)
    {
        if (_nobodyLeft is not null)
        {
            Sender.Tell(new GroupFailed(submit.Group.Id, _nobodyLeft));
            return;
        }
        _submitters[submit.Group.Id] = Sender;
        if (_book.Submit(submit.Group, Now + _settings.GroupTimeout))
            Assign();
    }

    private void Cancel(GroupId id)
    {
        _submitters.Remove(id);
        if (_book.Cancel(id) is { } working && _decoders.TryGetValue(working.Decoder, out var decoder))
            decoder.Tell(new AbortGroup(id, working.Attempt));
    }

    private void Welcome(DecoderReady ready)
    {
        if (!_book.DecoderUp(ready.Id, ready.Incarnation, ready.MaxNumSeqs))
            return;
        _log.Info("{Decoder} takes up to {MaxNumSeqs} sequences", ready.Id, ready.MaxNumSeqs);
        _nobodyLeft = null;
        _returning.Remove(ready.Id);
        _decoders[ready.Id] = ready.Decoder;
        Assign();
    }

    private void End(DecoderId decoder, GroupId id, int attempt, GroupOutcome outcome)
    {
        // Answers of an attempt that was given to somebody else since are dropped: the other's will come.
        if (!_book.End(decoder, id, attempt))
            return;
        Answer(id, outcome);
        Assign();
    }

    private void Lose(DecoderLost lost)
    {
        _log.Warning("{Decoder} is lost: {Reason}", lost.Id, lost.Reason);
        _book.DecoderDown(lost.Id, lost.Incarnation);
        if (lost.ComesBack)
            _returning.Add(lost.Id);
        else
            _returning.Remove(lost.Id);
        if (_book.DecoderCount == 0 && _returning.Count == 0)
        {
            _nobodyLeft = $"no decoder is left; the last one was {lost.Id}: {lost.Reason}";
            foreach (var id in _book.Groups.ToArray())
            {
                _book.Cancel(id);
                Answer(id, new GroupFailed(id, _nobodyLeft));
            }
        }
        Assign();
    }

    private void Assign()
    {
        foreach (var assignment in _book.Assign())
            _decoders[assignment.Decoder].Tell(new AssignGroup(assignment.Group, assignment.Attempt));
    }

    private void FailOverdue()
    {
        foreach (var (id, decoder) in _book.Overdue(Now))
        {
            var where = decoder is { } at ? $"on {at}" : "waiting for a decoder";
            var submitter = _submitters.GetValueOrDefault(id);
            Cancel(id);
            submitter?.Tell(new GroupFailed(id, $"not finished within {_settings.GroupTimeout}, {where}"));
        }
        Assign();
    }

    private void Answer(GroupId id, GroupOutcome outcome)
    {
        if (_submitters.Remove(id, out var submitter))
            submitter.Tell(outcome);
    }

    private sealed record CheckDeadlines
    {
        public static CheckDeadlines Instance { get; } = new();
    }
}
