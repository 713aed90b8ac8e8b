using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Collection;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Barrier;

/// <summary>
/// Brings every decoder of the cluster from policy to policy, and nobody into the middle of one. Open -(ParkAll)-> Parking
/// -(all that share the trainer's memory parked or gone)-> AllParkedUntil -(UpdateAll)-> Updating -(all updated or gone)->
/// Open. Participants are the decoders that joined and are not gone; nobody is waited for beyond the deadline.
/// </summary>
public sealed class StepBarrierActor : ReceiveActor, IWithTimers
{
    private readonly BarrierSettings _settings;
    private readonly HostId _self;
    private readonly BarrierRoster _roster;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private Policy _policy;
    private WeightOffer? _offer;

    /// <param name="settings">The deadline of each phase.</param>
    /// <param name="self">The trainer's host.</param>
    /// <param name="policy">The trainer's policy at the start.</param>
    /// <param name="offer">Where decoders of other hosts fetch it; null where there can be none.</param>
    public StepBarrierActor(BarrierSettings settings, HostId self, Policy policy, WeightOffer? offer)
    {
        _settings = settings;
        _self = self;
        _roster = new BarrierRoster(self);
        (_policy, _offer) = (policy, offer);
        Open();
    }

    public static Props Props(BarrierSettings settings, HostId self, Policy policy, WeightOffer? offer) =>
        Akka.Actor.Props.Create(() => new StepBarrierActor(settings, self, policy, offer));

    public ITimerScheduler Timers { get; set; } = null!;

    private void Open()
    {
        Receive<JoinBarrier>(join =>
        {
            if (Enter(join) != Entry.Refused && join.Holds != _policy)
                TellPolicy(_roster.Of(join.Id));
        });
        Receive<ParkAll>(park =>
        {
            var trainer = Sender;
            var phase = new BarrierProgress(park.Next, _roster.SharerIds);
            Timers.StartSingleTimer(DeadlineTimer, new Deadline(park.Next, OfSharers: true), _settings.Timeout);
            foreach (var id in phase.Missing)
                _roster.Of(id).Decoder.Tell(new Park(park.Next));
            Become(() => Parking(phase, trainer));
            EndParkingIfOver(phase, trainer);
        });
        Losses(null, () => { });
    }

    private void Parking(BarrierProgress phase, IActorRef trainer)
    {
        Receive<Parked>(parked =>
        {
            phase.Arrive(parked.Id, parked.Until);
            EndParkingIfOver(phase, trainer);
        });
        // One that joins now runs nothing with the weights that change, and is told the policy with everybody else. Where
        // it replaces one that was waited for, that one is gone, whether or not word of it has come.
        Receive<JoinBarrier>(join =>
        {
            if (Enter(join) == Entry.New)
                phase.Leave(join.Id);
            EndParkingIfOver(phase, trainer);
        });
        Receive<Deadline>(
            deadline => deadline.Policy == phase.Policy,
            _ => Fail(phase, trainer, $"did not park for {phase.Policy} within {_settings.Timeout}"));
        Losses(phase, () => EndParkingIfOver(phase, trainer));
    }

    private void EndParkingIfOver(BarrierProgress phase, IActorRef trainer)
    {
        if (!phase.IsOver)
            return;
        Timers.Cancel(DeadlineTimer);
        trainer.Tell(new AllParked(phase.Policy));
        Become(() => AllParkedUntil(phase.Policy));
    }

    private void AllParkedUntil(Policy next)
    {
        Receive<UpdateAll>(update => update.Policy.Version.Value >= next.Version.Value, update =>
        {
            var trainer = Sender;
            (_policy, _offer) = (update.Policy, update.Offer);
            var phase = new BarrierProgress(_policy, _roster.Ids);
            Timers.StartSingleTimer(DeadlineTimer, new Deadline(_policy, OfSharers: true), _settings.Timeout);
            Timers.StartSingleTimer(
                TransferTimer, new Deadline(_policy, OfSharers: false), _settings.TransferTimeout + _settings.Timeout);
            foreach (var participant in _roster.All)
                TellPolicy(participant);
            Become(() => Updating(phase, DecoderStats.None, trainer));
            EndUpdatingIfOver(phase, DecoderStats.None, trainer);
        });
        // A trainer that gave up on its step starts over: everybody is parked already.
        Receive<ParkAll>(park => Sender.Tell(new AllParked(park.Next)));
        Receive<JoinBarrier>(join => Enter(join));
        Losses(null, () => { });
    }

    private void Updating(BarrierProgress phase, DecoderStats stats, IActorRef trainer)
    {
        Receive<WeightsUpdated>(updated => phase.Arrive(updated.Id, updated.Policy), updated =>
        {
            var sum = stats.Plus(updated.Stats);
            Become(() => Updating(phase, sum, trainer));
            EndUpdatingIfOver(phase, sum, trainer);
        });
        // Who joins again while it is waited for may have missed what it was told, or its answer was lost.
        Receive<JoinBarrier>(join =>
        {
            if (Enter(join) != Entry.Refused && (join.Holds != _policy || phase.Awaits(join.Id)))
                TellPolicy(_roster.Of(join.Id));
        });
        Receive<Deadline>(deadline => deadline.Policy == phase.Policy, deadline =>
        {
            if (phase.Missing.Any(_roster.Shares))
            {
                Fail(phase, trainer, $"did not take the weights of {_policy} within {_settings.Timeout}");
                return;
            }
            if (deadline.OfSharers)
                return;
            GoOnWithout(phase);
            EndUpdatingIfOver(phase, stats, trainer);
        });
        Losses(phase, () => EndUpdatingIfOver(phase, stats, trainer));
    }

    private void EndUpdatingIfOver(BarrierProgress phase, DecoderStats stats, IActorRef trainer)
    {
        if (!phase.IsOver)
            return;
        Timers.CancelAll();
        trainer.Tell(new StepOpened(phase.Policy, stats));
        Become(Open);
    }

    /// <summary>Whoever is gone, or can't keep up, is waited for in no phase.</summary>
    private void Losses(BarrierProgress? phase, Action released)
    {
        Receive<LeaveBarrier>(leave => Leave(leave.Id, leave.Incarnation));
        // What its supervisor says is said once, and may be lost.
        Receive<Terminated>(stopped =>
        {
            foreach (var (id, incarnation) in _roster.Of(stopped.ActorRef))
                Leave(id, incarnation);
        });
        Receive<WeightsNotTaken>(failed =>
        {
            _log.Warning("step barrier: {Decoder} did not take {Policy}: {Reason}", failed.Id, failed.Policy, failed.Reason);
            if (failed.Policy == _policy)
                Leave(failed.Id, failed.Incarnation);
        });
        Receive<HostLost>(lost =>
        {
            foreach (var id in _roster.Lose(lost.Host))
                phase?.Leave(id);
            released();
        });
        Receive<IStepBarrierMessage>(_ => { });
        Receive<Deadline>(_ => { });

        void Leave(DecoderId id, int incarnation)
        {
            if (_roster.Leave(id, incarnation))
                phase?.Leave(id);
            released();
        }
    }

    private Entry Enter(JoinBarrier join)
    {
        var entry = _roster.Enter(join);
        if (entry == Entry.New)
            Context.Watch(join.Decoder);
        return entry;
    }

    private void TellPolicy(Participant participant) =>
        participant.Decoder.Tell(new UpdateWeights(_self, _policy, participant.SharesWeights ? null : _offer));

    private void Fail(BarrierProgress phase, IActorRef trainer, string what)
    {
        var reason = $"{string.Join(", ", phase.Missing)} {what}";
        _log.Error("step barrier: {Reason}", reason);
        Timers.CancelAll();
        Drop(phase);
        trainer.Tell(new BarrierFailed(phase.Policy, reason));
        Become(Open);
    }

    /// <summary>
    /// Decoders with memory of their own that take too long sample nothing that requires the new weights: nobody needs to
    /// wait for them. They join again when they can.
    /// </summary>
    private void GoOnWithout(BarrierProgress phase)
    {
        _log.Warning(
            "step barrier: {Decoders} did not take the weights of {Policy} within {Deadline}: the run goes on without them",
            string.Join(", ", phase.Missing), _policy, _settings.TransferTimeout + _settings.Timeout);
        Drop(phase);
    }

    private void Drop(BarrierProgress phase)
    {
        foreach (var late in phase.Missing.ToArray())
        {
            _roster.Drop(late);
            phase.Leave(late);
        }
    }

    private const string DeadlineTimer = "deadline";
    private const string TransferTimer = "transfer";

    private sealed record Deadline(Policy Policy, bool OfSharers);
}
