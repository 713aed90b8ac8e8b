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
/// it from them. SchedulerActor.Deadlines.cs has what it does by the clock.
/// </summary>
public sealed partial class SchedulerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan TickEvery = TimeSpan.FromSeconds(1);

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
        On<SubmitGroup>(submit =>
        {
            StartOverIfBehind(submit.Seen);
            _clients.Submit(submit, Sender);
            FailWhatNobodyWillRun();
        });
        On<OfferGroups>(offer =>
        {
            StartOverIfBehind(offer.Seen);
            _clients.Offer(offer, Sender);
        });
        On<CancelGroups>(cancel => _clients.Cancel(cancel.Groups));
        On<OutcomesTaken>(taken => _clients.Acknowledge(taken.Groups));
        On<QueryScheduler>(_ => Sender.Tell(new SchedulerReport(
            _book.Decoders.Count,
            _book.GroupsOnTheirWay,
            _epoch,
            _book.WaitingSequences,
            _book.Fingerprint,
            _book.Decoders.Policy)));
        On<DecoderHere>(here =>
        {
            StartOverIfBehind(here.Seen);
            FollowDecoder(_decoders.Register(here, ReportEvery));
        });
        On<DecoderReport>(report => FollowDecoder(_decoders.AcceptReport(report)));
        On<DecoderLost>(lost =>
        {
            _decoders.Losses.Remove(lost);
            FailWhatNobodyWillRun();
        });
        On<HostLost>(lost =>
        {
            _decoders.Losses.RemoveHost(lost.Host);
            ResumeIfAllReported();
        });
        On<HostsUp>(up =>
        {
            Roster.ExpectHosts(up.Hosts);
            FailWhatNobodyWillRun();
            ResumeIfAllReported();
        });
        On<Terminated>(stopped =>
        {
            _decoders.Losses.NoteStopped(stopped);
            _clients.CancelAllOf(stopped.ActorRef);
            FailWhatNobodyWillRun();
        });
        On<Tick>(_ => LookAtTheClock());
    }

    /// <param name="settings">Deadlines and sizes.</param>
    /// <param name="epochs">Gives each one that is built its number.</param>
    /// <param name="membership">See the constructor.</param>
    /// <param name="time">What deadlines are measured with; null counts the time in which this process is awake.</param>
    public static Props Props(
        SchedulerSettings settings, SchedulerEpochs epochs, IActorRef? membership = null, TimeProvider? time = null) =>
        Akka.Actor.Props.Create(() => new SchedulerActor(
            settings, epochs, time ?? new AwakeTime(TimeProvider.System), membership));

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

    /// <summary>A decoder has spoken: commands that it has not answered for too long are sent again.</summary>
    private void FollowDecoder(KnownDecoder? decoder)
    {
        ResumeIfAllReported();
        if (decoder is not null)
            DecoderDesk.Send(decoder, Now);
    }

    /// <summary>Handles a message, then answers what has ended and sends decoders their commands.</summary>
    private void On<T>(Action<T> handle) => Receive<T>(message =>
    {
        handle(message);
        _clients.SendAll();
        _decoders.SendAll(Now);
    });

    private sealed record Tick
    {
        public static Tick Instance { get; } = new();
    }
}
