using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Membership;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Protocol.Wire;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// The one scheduler of a cluster: takes groups from clients, hands their samples to decoders, and gives every client an
/// answer for every group, whatever happens to decoders meanwhile. What it knows, decoders and clients know too: the
/// next scheduler learns it from them.
/// </summary>
public sealed class SchedulerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan TickEvery = TimeSpan.FromSeconds(1);

    /// <summary>How long a new scheduler waits for decoders to say what they hold before it gives anything to anybody.</summary>
    private static readonly TimeSpan TakeoverTime = TimeSpan.FromSeconds(5);

    private readonly SchedulerSettings _settings;
    private readonly SchedulerEpochs _epochs;
    private readonly SchedulerEpoch _epoch;
    private readonly GroupBook _book;
    private readonly ClientDesk _clients;
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly ILoggingAdapter _log = Context.GetLogger();

    /// <param name="settings">Deadlines and sizes.</param>
    /// <param name="epochs">Gives this one's number.</param>
    /// <param name="time">What deadlines are measured with.</param>
    /// <param name="membership">
    /// Asked by <see cref="WatchHosts"/> for the hosts that have decoders: nothing is given to anybody before the decoders
    /// of those hosts have said what they hold, or had time to. Null where no host comes or goes.
    /// </param>
    public SchedulerActor(
        SchedulerSettings settings, SchedulerEpochs epochs, TimeProvider time, IActorRef? membership)
    {
        _settings = settings;
        _epochs = epochs;
        _epoch = epochs.Next();
        _time = time;
        _started = time.GetTimestamp();
        _book = new GroupBook(_epoch, settings, () => Now, knowsHosts: membership is null);
        _clients = new ClientDesk(_epoch, _book, Context);
        if (membership is not null)
        {
            _book.Hold();
            membership.Tell(new WatchHosts(ClusterRoles.Decoder));
        }
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
        Receive<Terminated>(Lose);
        Receive<QueryScheduler>(_ => Sender.Tell(new SchedulerReport(
            _book.Decoders.Count,
            _book.GroupsOnTheirWay,
            _epoch,
            _book.WaitingSequences,
            _book.Fingerprint,
            _book.Decoders.Policy)));
        Receive<DecoderHere>(Welcome);
        Receive<DecoderReport>(Take);
        Receive<DecoderLost>(Lose);
        Receive<HostLost>(Lose);
        Receive<HostsUp>(up =>
        {
            Roster.ExpectHosts(up.Hosts);
            FailWhatNobodyWillRun();
            OpenIfSettled();
        });
        Receive<Tick>(_ => LookAtTheClock());
    }

    /// <param name="settings">Deadlines and sizes.</param>
    /// <param name="epochs">Gives each one that is built its number.</param>
    /// <param name="membership">See the constructor.</param>
    /// <param name="time">What deadlines are measured with.</param>
    public static Props Props(
        SchedulerSettings settings,
        SchedulerEpochs epochs,
        IActorRef? membership = null,
        TimeProvider? time = null)
    {
        var clock = time ?? TimeProvider.System;
        return Akka.Actor.Props.Create(() => new SchedulerActor(settings, epochs, clock, membership));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Which decoders are present, and which may still come.</summary>
    private Roster<DecoderLoad> Roster => _book.Decoders.Roster;

    private TimeSpan Now => _time.GetElapsedTime(_started);

    /// <summary>Grows with the cluster, so that a thousand decoders send no more reports than ten did.</summary>
    private TimeSpan ReportEvery
    {
        get
        {
            var stretched = TimeSpan.FromMilliseconds(_book.Decoders.Count);
            return stretched > _settings.ReportInterval ? stretched : _settings.ReportInterval;
        }
    }

    protected override void PreStart() => Timers.StartPeriodicTimer("tick", Tick.Instance, TickEvery);

    private void Welcome(DecoderHere here)
    {
        StartOverIfBehind(here.Seen);
        var isNew = _book.Decoders.Find(here.Id)?.Here.Incarnation != here.Incarnation;
        var decoder = _book.Welcome(here, out var refusal);
        if (refusal is not null)
        {
            _log.Warning("{Refusal}", refusal);
            here.Decoder.Tell(new DecoderRefused(_epoch, here.Id, refusal));
            OpenIfSettled();
        }
        if (decoder is null)
            return;
        if (isNew)
        {
            Context.Watch(here.Decoder);
            _log.Info("{Decoder} takes up to {MaxNumSeqs} sequences", here.Id, here.Capacity.MaxNumSeqs);
        }
        here.Decoder.Tell(new SchedulerHere(_epoch, ReportEvery));
        Send(decoder);
        OpenIfSettled();
    }

    private void Take(DecoderReport report)
    {
        if (_book.Take(report) is not { } decoder)
            return;
        decoder.Here.Decoder.Tell(new ReportTaken(_epoch, report.Number));
        Send(decoder);
        OpenIfSettled();
    }

    /// <summary>
    /// Whoever writes to this one takes it for the oldest member. Where they have followed a higher epoch, that one was a
    /// scheduler before it, with a faster clock, and they would listen to this one never.
    /// </summary>
    private void StartOverIfBehind(SchedulerEpoch seen)
    {
        if (seen.Value <= _epoch.Value)
            return;
        _epochs.Hear(seen);
        throw new InvalidOperationException(
            $"{_epoch} comes after {seen} by membership, and before it by the clocks: it starts over above it");
    }

    /// <summary>
    /// A client or a decoder has stopped. A decoder's supervisor says so too, with the reason and whether it comes back; but
    /// once, and what is said once may be lost.
    /// </summary>
    private void Lose(Terminated gone)
    {
        foreach (var decoder in _book.Decoders.All.Where(decoder => decoder.Here.Decoder.Equals(gone.ActorRef)).ToArray())
        {
            var lost = new DecoderLost(
                decoder.Id, decoder.Here.Incarnation, "it stopped", ComesBack: true, DecodersOfHost: 0);
            Lose(lost, isFault: !gone.AddressTerminated);
        }
        _clients.CancelAllOf(gone.ActorRef);
        SendAll();
    }

    private void Lose(DecoderLost lost) => Lose(lost, isFault: true);

    /// <param name="lost">It is gone.</param>
    /// <param name="isFault">Its host is not: what it worked on may be to blame.</param>
    private void Lose(DecoderLost lost, bool isFault)
    {
        _log.Warning("{Decoder} is lost: {Reason}", lost.Id, lost.Reason);
        _book.DecoderDown(lost, isFault);
        FailWhatNobodyWillRun();
        SendAll();
    }

    private void Lose(HostLost lost)
    {
        foreach (var decoder in _book.HostDown(lost.Host))
        {
            _log.Warning(
                "{Decoder} is lost with its host: {Samples} of its samples go on elsewhere, after {Tokens} tokens",
                decoder.Id, decoder.OrphanedSeqs, decoder.OrphanedTokens);
        }
        OpenIfSettled();
    }

    /// <summary>Groups need not wait for a decoder where none will come, or none that can run them.</summary>
    private void FailWhatNobodyWillRun()
    {
        if (_book.Decoders.Count == 0 && Roster.NobodyLeft is { } reason)
            _book.FailAll(reason);
        if (_book.AnyTooLong && !Roster.MayBringMore)
            _book.FailUnfit();
    }

    private void OpenIfSettled()
    {
        if (_book.IsHeld && (Roster.AllHeard || Now > TakeoverTime) && _book.Decoders.All.All(decoder => decoder.IsSettled))
            _book.Open();
        SendAll();
    }

    private void LookAtTheClock()
    {
        if (_book.IsHeld && Now > TakeoverTime)
            _book.Open();
        var overdue = _book.TakeOverdue();
        _clients.AskAfter(overdue.Where(group => group.Outcome is not null));
        foreach (var group in overdue.Where(group => group.Outcome is null))
            _book.Fail(group.Id, $"no token was sampled for {_settings.GroupTimeout}, {Whereabouts(group)}");
        _clients.DropLate();
        _book.FailStranded(Now, Roster.LastLoss ?? "none has joined");
        FailWhatNobodyWillRun();
        SendAll();
    }

    private string Whereabouts(RolloutGroup group)
    {
        var decoders = group.Slots.Where(slot => slot.Decoder is not null).Select(slot => slot.Decoder!.Id).Distinct();
        var on = string.Join(" and ", decoders);
        return on.Length > 0 ? $"on {on}"
            : group.Required is not null && _book.Decoders.Count > 0 ? "waiting for a decoder with the weights that it requires"
            : _book.Decoders.Count == 0 && Roster.LastLoss is { } loss ? $"waiting for a decoder; {loss}"
            : "waiting for a decoder";
    }

    /// <summary>Answers what has ended, and tells decoders what they are to be told.</summary>
    private void SendAll()
    {
        _clients.SendAll();
        foreach (var decoder in _book.Decoders.TakeToTell())
            Tell(decoder);
    }

    /// <summary>As <see cref="SendAll"/>, and says again what this decoder hasn't answered.</summary>
    private void Send(DecoderLoad decoder)
    {
        Tell(decoder);
        SendAll();
    }

    private void Tell(DecoderLoad decoder)
    {
        foreach (var command in decoder.Commands.TakeSendable(Now))
            decoder.Here.Decoder.Tell(command);
    }

    private sealed record Tick
    {
        public static Tick Instance { get; } = new();
    }
}
