using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Barrier;

/// <summary>
/// Brings the cluster's decoders from policy to policy, for the trainer. Open -(ParkAll)-> Parking -(all that share the
/// trainer's memory parked or gone)-> AllParkedUntil -(UpdateAll)-> Updating -(all awaited ones updated or gone)-> Open.
/// Every decoder that joined is told each policy; the update waits only for those that took the one before in time. Deadlines
/// count the time in which this process runs: while it is frozen, its own decoders are too, and others can't fetch from it.
/// </summary>
public sealed class StepBarrierActor : ReceiveActor, IWithTimers
{
    /// <summary>How often the trainer hears who is waited for.</summary>
    private static readonly TimeSpan ReportEvery = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly BarrierSettings _settings;
    private readonly HostId _self;
    private readonly IActorRef _membership;
    private readonly Participants _participants;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private Policy _policy;
    private WeightOffer? _offer;

    /// <param name="settings">The deadline of each phase.</param>
    /// <param name="self">The trainer's host.</param>
    /// <param name="policy">The trainer's policy at the start.</param>
    /// <param name="offer">Where decoders of other hosts fetch it; null if there can be none.</param>
    /// <param name="membership">Asked for the hosts of the decoders' role.</param>
    public StepBarrierActor(
        BarrierSettings settings, HostId self, Policy policy, WeightOffer? offer, IActorRef membership)
    {
        _settings = settings;
        _self = self;
        _participants = new Participants(self);
        _membership = membership;
        (_policy, _offer) = (policy, offer);
        Open();
    }

    public static Props Props(
        BarrierSettings settings, HostId self, Policy policy, WeightOffer? offer, IActorRef membership) =>
        Akka.Actor.Props.Create(() => new StepBarrierActor(settings, self, policy, offer, membership));

    public ITimerScheduler Timers { get; set; } = null!;

    private TimeSpan TransferTime => _settings.TransferTimeout + _settings.Timeout;

    protected override void PreStart() => _membership.Tell(new WatchHosts(ClusterRoles.Decoder));

    private void Open()
    {
        Receive<JoinBarrier>(join =>
        {
            if (Enter(join) is { } participant && join.Holds != _policy)
                TellPolicy(participant);
        });
        Receive<ParkAll>(park =>
        {
            var trainer = Sender;
            var phase = new BarrierProgress(park.Next, _participants.Sharers);
            StartPhase(phase);
            foreach (var id in phase.Missing)
                _participants.Find(id)?.Decoder.Tell(new Park(park.Next));
            Become(() => Parking(phase, trainer));
            EndParkingIfOver(phase, trainer);
        });
        ReceiveInEveryState(null, () => { });
    }

    private void Parking(BarrierProgress phase, IActorRef trainer)
    {
        Receive<Parked>(parked =>
        {
            phase.Arrive(parked.Id, parked.Until);
            EndParkingIfOver(phase, trainer);
        });
        // A decoder that joins now does not run while the weights change, and is told the policy with all others. The
        // incarnation that it replaces is gone, even if its supervisor's message has not come yet.
        Receive<JoinBarrier>(join =>
        {
            var before = _participants.Find(join.Id);
            if (Enter(join) is { } participant && participant != before)
                phase.Leave(join.Id);
            EndParkingIfOver(phase, trainer);
        });
        Receive<Deadline>(
            deadline => deadline.IsOver && deadline.Policy == phase.Policy,
            _ => Fail(phase, trainer, $"did not park for {phase.Policy} within {_settings.Timeout}"));
        Receive<ReportDue>(_ => Report(phase, trainer));
        ReceiveInEveryState(phase, () => EndParkingIfOver(phase, trainer));
    }

    private void EndParkingIfOver(BarrierProgress phase, IActorRef trainer)
    {
        if (!phase.IsOver)
            return;
        EndPhase();
        trainer.Tell(new AllParked(phase.Policy));
        Become(() => AllParkedUntil(phase.Policy));
    }

    private void AllParkedUntil(Policy next)
    {
        Receive<UpdateAll>(update => update.Policy.Version.Value >= next.Version.Value, update =>
        {
            var trainer = Sender;
            var phase = new BarrierProgress(update.Policy, _participants.AwaitedAfter(_policy));
            (_policy, _offer) = (update.Policy, update.Offer);
            StartPhase(phase);
            Await(new TransferDeadline(_policy, TransferTime));
            foreach (var participant in _participants.All)
                TellPolicy(participant);
            Become(() => Updating(phase, DecoderStats.None, trainer));
            EndUpdatingIfOver(phase, DecoderStats.None, trainer);
        });
        Receive<JoinBarrier>(join => Enter(join));
        ReceiveInEveryState(null, () => { });
    }

    private void Updating(BarrierProgress phase, DecoderStats stats, IActorRef trainer)
    {
        Receive<WeightsUpdated>(updated =>
        {
            Confirm(updated);
            var sum = phase.Arrive(updated.Id, updated.Policy) ? stats.Plus(updated.Stats) : stats;
            LeaveLateBehind(phase);
            Become(() => Updating(phase, sum, trainer));
            EndUpdatingIfOver(phase, sum, trainer);
        });
        // A decoder that joins again while it is waited for may have missed what it was told, or its answer was lost.
        Receive<JoinBarrier>(join =>
        {
            if (Enter(join) is { } participant && (join.Holds != _policy || phase.Awaits(join.Id)))
                TellPolicy(participant);
        });
        Receive<Deadline>(deadline => deadline.IsOver && deadline.Policy == phase.Policy, _ =>
        {
            if (phase.Missing.Any(id => _participants.Find(id) is { SharesWeights: true }))
                Fail(phase, trainer, $"did not take the weights of {_policy} within {_settings.Timeout}");
        });
        Receive<TransferDeadline>(deadline => deadline.IsOver && deadline.Policy == _policy, _ =>
        {
            _participants.MarkLate(_policy);
            LeaveLateBehind(phase);
            LeaveBehind(phase, _participants.TakeSilent(), "were silent");
            // Nobody has the weights yet, and some still fetch them: the run can only wait for those.
            if (!phase.IsOver)
                Await(new TransferDeadline(_policy, TransferTime));
            EndUpdatingIfOver(phase, stats, trainer);
        });
        Receive<ReportDue>(_ => Report(phase, trainer));
        ReceiveInEveryState(phase, () => EndUpdatingIfOver(phase, stats, trainer));
    }

    private void EndUpdatingIfOver(BarrierProgress phase, DecoderStats stats, IActorRef trainer)
    {
        if (!phase.IsOver)
            return;
        EndPhase();
        trainer.Tell(new StepOpened(phase.Policy, stats));
        Become(Open);
    }

    /// <summary>Handles what every state handles alike, and ignores what has no meaning in the present one.</summary>
    /// <param name="phase">The phase under way, if there is one.</param>
    /// <param name="released">Called when the phase waits for fewer decoders.</param>
    private void ReceiveInEveryState(BarrierProgress? phase, Action released)
    {
        Receive<LeaveBarrier>(leave => Remove(leave.Id, leave.Incarnation));
        // A supervisor sends its message once, and it may be lost.
        Receive<Terminated>(stopped =>
        {
            foreach (var decoder in _participants.All.Where(decoder => decoder.Decoder.Equals(stopped.ActorRef)).ToArray())
                Remove(decoder.Id, decoder.Incarnation);
        });
        Receive<HostLost>(lost =>
        {
            foreach (var decoder in _participants.Remove(lost.Host))
                phase?.Leave(decoder.Id);
            released();
        });
        Receive<WeightsUpdated>(Confirm);
        Receive<WeightsNotTaken>(failed =>
        {
            _log.Warning("step barrier: {Decoder} did not take {Policy}: {Reason}", failed.Id, failed.Policy, failed.Reason);
            if (failed.Policy != _policy || _participants.Find(failed.Id)?.Incarnation != failed.Incarnation)
                return;
            phase?.Leave(failed.Id);
            released();
        });
        Receive<TransferDeadline>(deadline => deadline.IsOver && deadline.Policy == _policy, _ => _participants.MarkLate(_policy));
        Receive<Clock>(clock => !clock.IsOver, Await);
        Receive<Clock>(_ => { });
        Receive<ReportDue>(_ => { });
        Receive<IStepBarrierMessage>(_ => { });

        void Remove(DecoderId id, int incarnation)
        {
            if (_participants.Remove(id, incarnation))
                phase?.Leave(id);
            released();
        }
    }

    private Participant? Enter(JoinBarrier join)
    {
        var participant = _participants.Enter(join);
        if (participant is not null)
            Context.Watch(participant.Decoder);
        return participant;
    }

    private void Confirm(WeightsUpdated updated) => _participants.Find(updated.Id)?.Confirm(updated.Policy);

    private void TellPolicy(Participant participant) =>
        participant.Decoder.Tell(new UpdateWeights(_self, _policy, participant.SharesWeights ? null : _offer));

    private void StartPhase(BarrierProgress phase)
    {
        Await(new Deadline(phase.Policy, _settings.Timeout));
        Timers.StartPeriodicTimer(nameof(ReportDue), new ReportDue(), ReportEvery);
    }

    /// <summary>
    /// Waits for a clock, a second at a time: a timer that is late, because the process was frozen, counts for one second.
    /// </summary>
    private void Await(Clock clock)
    {
        var step = clock.Left < Second ? clock.Left : Second;
        Timers.StartSingleTimer(clock.GetType().Name, clock with { Left = clock.Left - step }, step);
    }

    private void EndPhase()
    {
        Timers.Cancel(nameof(Deadline));
        Timers.Cancel(nameof(ReportDue));
    }

    private static void Report(BarrierProgress phase, IActorRef trainer) =>
        trainer.Tell(new BarrierWaits(phase.Policy, [.. phase.Missing]));

    private void Fail(BarrierProgress phase, IActorRef trainer, string what)
    {
        var reason = $"{string.Join(", ", phase.Missing)} {what}";
        _log.Error("step barrier: {Reason}", reason);
        EndPhase();
        // They may join again.
        foreach (var late in phase.Missing)
            _participants.Expel(late);
        trainer.Tell(new BarrierFailed(phase.Policy, reason));
        Become(Open);
    }

    /// <summary>
    /// Once somebody has the weights, the run goes on without those that missed the deadline. They hold nothing that the next
    /// groups may be sampled with, and go on fetching.
    /// </summary>
    private void LeaveLateBehind(BarrierProgress phase) =>
        LeaveBehind(phase, _participants.LateBehindOthers(_policy), $"did not take the weights of {_policy}");

    private void LeaveBehind(BarrierProgress phase, IEnumerable<DecoderId> decoders, string why)
    {
        var left = decoders.Where(phase.Awaits).ToArray();
        if (left.Length == 0)
            return;
        _log.Warning(
            "step barrier: {Decoders} {Why} within {Deadline}: the run goes on without them",
            string.Join(", ", left), why, TransferTime);
        Array.ForEach(left, phase.Leave);
    }

    /// <summary>A deadline, and how much of its time is left.</summary>
    private abstract record Clock(Policy Policy, TimeSpan Left)
    {
        public bool IsOver => Left <= TimeSpan.Zero;
    }

    private sealed record Deadline(Policy Policy, TimeSpan Left) : Clock(Policy, Left);

    private sealed record TransferDeadline(Policy Policy, TimeSpan Left) : Clock(Policy, Left);

    private sealed record ReportDue;
}
