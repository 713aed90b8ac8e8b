using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Membership;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// The one scheduler of a cluster: accepts groups from clients, hands their samples to decoders, and answers every group,
/// whatever happens to decoders meanwhile. Decoders and clients together know all that it knows: the next scheduler learns
/// it from them.
/// </summary>
public sealed class SchedulerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan TickEvery = TimeSpan.FromSeconds(1);

    /// <summary>How long a new scheduler waits for decoders to say what they hold before it gives out work.</summary>
    private static readonly TimeSpan TakeoverTime = TimeSpan.FromSeconds(5);

    private readonly SchedulerSettings _settings;
    private readonly SchedulerEpochs _epochs;
    private readonly IActorRef? _membership;
    private readonly TimeProvider _time;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private SchedulerEpoch _epoch;
    private long _started;
    private GroupBook _book;
    private ClientDesk _clients;
    private DecoderDesk _decoders;

    /// <param name="settings">Deadlines and sizes.</param>
    /// <param name="epochs">Gives this one's number.</param>
    /// <param name="time">What deadlines are measured with.</param>
    /// <param name="membership">
    /// Asked by <see cref="WatchHosts"/> for the hosts that have decoders: nothing is given to anybody before the decoders
    /// of those hosts have said what they hold, or had time to. Null if no host comes or goes.
    /// </param>
    public SchedulerActor(
        SchedulerSettings settings, SchedulerEpochs epochs, TimeProvider time, IActorRef? membership)
    {
        (_settings, _epochs, _time, _membership) = (settings, epochs, time, membership);
        StartEpoch();
        Receive<SubmitGroup>(submit =>
        {
            StartOverIfBehind(submit.Seen);
            _clients.Submit(submit, Sender);
            FailWhatNobodyWillRun();
            SendAll();
        });
        Receive<OfferGroups>(offer =>
        {
            StartOverIfBehind(offer.Seen);
            _clients.Offer(offer, Sender);
            SendAll();
        });
        Receive<CancelGroups>(cancel =>
        {
            _clients.Cancel(cancel.Groups);
            SendAll();
        });
        Receive<OutcomesTaken>(taken =>
        {
            _clients.Acknowledge(taken.Groups);
            SendAll();
        });
        Receive<QueryScheduler>(_ => Sender.Tell(new SchedulerReport(
            _book.Decoders.Count,
            _book.GroupsOnTheirWay,
            _epoch,
            _book.WaitingSequences,
            _book.Fingerprint,
            _book.Decoders.Policy)));
        Receive<DecoderHere>(here =>
        {
            StartOverIfBehind(here.Seen);
            FollowDecoder(_decoders.Register(here, ReportEvery));
        });
        Receive<DecoderReport>(report => FollowDecoder(_decoders.AcceptReport(report)));
        Receive<DecoderLost>(lost =>
        {
            _decoders.RemoveDecoder(lost);
            FailWhatNobodyWillRun();
            SendAll();
        });
        Receive<HostLost>(lost =>
        {
            _decoders.RemoveHost(lost.Host);
            ResumeIfAllReported();
            SendAll();
        });
        Receive<HostsUp>(up =>
        {
            Roster.ExpectHosts(up.Hosts);
            FailWhatNobodyWillRun();
            ResumeIfAllReported();
            SendAll();
        });
        Receive<Terminated>(stopped =>
        {
            _decoders.NoteStopped(stopped);
            _clients.CancelAllOf(stopped.ActorRef);
            FailWhatNobodyWillRun();
            SendAll();
        });
        Receive<Tick>(_ => LookAtTheClock());
    }

    /// <param name="settings">Deadlines and sizes.</param>
    /// <param name="epochs">Gives each one that is built its number.</param>
    /// <param name="membership">See the constructor.</param>
    /// <param name="time">What deadlines are measured with; null counts the time in which this process is awake.</param>
    public static Props Props(
        SchedulerSettings settings,
        SchedulerEpochs epochs,
        IActorRef? membership = null,
        TimeProvider? time = null)
    {
        return Akka.Actor.Props.Create(() => new SchedulerActor(
            settings, epochs, time ?? new AwakeTime(TimeProvider.System), membership));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Which decoders are present, and which may still come.</summary>
    private Roster<KnownDecoder> Roster => _book.Decoders.Roster;

    private TimeSpan Now => _time.GetElapsedTime(_started);

    /// <summary>Time between a decoder's reports: it grows with the cluster, so that a thousand decoders don't flood it.</summary>
    private TimeSpan ReportEvery
    {
        get
        {
            var stretched = TimeSpan.FromMilliseconds(_book.Decoders.Count);
            return stretched > _settings.ReportInterval ? stretched : _settings.ReportInterval;
        }
    }

    protected override void PreStart() => Timers.StartPeriodicTimer("tick", Tick.Instance, TickEvery);

    /// <summary>Begins with an empty book, under an epoch of its own.</summary>
    [MemberNotNull(nameof(_book), nameof(_clients), nameof(_decoders))]
    private void StartEpoch()
    {
        _epoch = _epochs.Next();
        _started = _time.GetTimestamp();
        _book = new GroupBook(_epoch, _settings, () => Now, knowsHosts: _membership is null);
        _clients = new ClientDesk(_epoch, _book, Context);
        _decoders = new DecoderDesk(_epoch, _book, Context, _log);
        if (_membership is null)
            return;
        _book.Pause();
        _membership.Tell(new WatchHosts(ClusterRoles.Decoder));
    }

    /// <summary>
    /// A sender that has followed a higher epoch ignores this scheduler, though by membership this one comes later: its
    /// clock is behind the earlier one's. It starts over above that epoch.
    /// </summary>
    private void StartOverIfBehind(SchedulerEpoch seen)
    {
        if (seen.Value <= _epoch.Value)
            return;
        _epochs.Hear(seen);
        var before = _epoch;
        StartEpoch();
        _log.Info("{Before} has a clock that is behind that of {Seen}: it starts over as {Epoch}", before, seen, _epoch);
    }

    /// <summary>Fails groups for which no decoder will come, or none that can run them.</summary>
    private void FailWhatNobodyWillRun()
    {
        if (_book.Decoders.Count == 0 && Roster.NobodyLeft is { } reason)
            _book.FailAll(reason);
        if (_book.AnyTooLong && !Roster.MayBringMore)
            _book.FailUnfit();
    }

    private void LookAtTheClock()
    {
        ResumeIfAllReported();
        _decoders.Tick();
        var overdue = _book.TakeOverdue();
        _clients.AskAfter(overdue.Where(group => group.Outcome is not null));
        foreach (var group in overdue.Where(group => group.Outcome is null))
            _book.Fail(group.Id, $"no token was sampled for {_settings.GroupTimeout}, on {DecodersOf(group)}");
        _clients.DropLate();
        _book.FailStranded(Now);
        FailWhatNobodyWillRun();
        SendAll();
    }

    private static string DecodersOf(RolloutGroup group) => string.Join(
        " and ", group.Slots.Where(slot => slot.Decoder is not null).Select(slot => slot.Decoder!.Id).Distinct());

    /// <summary>A decoder has spoken: commands that it has not answered for too long are sent again.</summary>
    private void FollowDecoder(KnownDecoder? decoder)
    {
        ResumeIfAllReported();
        if (decoder is not null)
            DecoderDesk.Send(decoder, Now);
        SendAll();
    }

    /// <summary>A new scheduler gives out work once all decoders have said what they hold, or have had time to.</summary>
    private void ResumeIfAllReported()
    {
        if (_book.IsPaused && (Now > TakeoverTime
            || (Roster.AllHeard && _book.Decoders.All.All(decoder => decoder.HasReported))))
        {
            _book.Resume();
        }
    }

    /// <summary>Answers what has ended, and sends decoders their commands.</summary>
    private void SendAll()
    {
        _clients.SendAll();
        _decoders.SendAll(Now);
    }

    private sealed record Tick
    {
        public static Tick Instance { get; } = new();
    }
}
