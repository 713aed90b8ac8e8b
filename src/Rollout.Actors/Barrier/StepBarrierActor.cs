using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Collection;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Barrier;

/// <summary>
/// Parks all decoders, lets the trainer change the weights, and opens the next step when all decode with them.
/// Open -(ParkAll)-> Parking -(all parked or gone)-> AllParkedUntil -(UpdateAll)-> Updating -(all updated or gone)-> Open.
/// Participants are the decoders that joined and are not gone; nobody is waited for beyond the deadline.
/// </summary>
public sealed class StepBarrierActor : ReceiveActor, IWithTimers
{
    private readonly BarrierSettings _settings;
    private readonly Dictionary<DecoderId, Participant> _participants = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private PolicyVersion _version;
    private DecoderStats _stats = DecoderStats.None;

    /// <param name="settings">The deadline of each phase.</param>
    /// <param name="version">The policy that decoders start with.</param>
    public StepBarrierActor(BarrierSettings settings, PolicyVersion version)
    {
        _settings = settings;
        _version = version;
        Open();
    }

    public static Props Props(BarrierSettings settings, PolicyVersion version) =>
        Akka.Actor.Props.Create(() => new StepBarrierActor(settings, version));

    public ITimerScheduler Timers { get; set; } = null!;

    private void Open()
    {
        Receive<JoinBarrier>(join =>
        {
            Enter(join);
            join.Decoder.Tell(new UpdateWeights(_version));
        });
        Receive<ParkAll>(park =>
        {
            var trainer = Sender;
            var phase = StartPhase(park.Next);
            _stats = DecoderStats.None;
            foreach (var participant in _participants.Values)
                participant.Decoder.Tell(new Park(park.Next));
            Become(() => Parking(phase, trainer));
            EndParkingIfOver(phase, trainer);
        });
        Receive<LeaveBarrier>(leave => Leave(leave));
        Receive<HostLost>(lost => Leave(lost));
        Receive<WeightsUpdated>(_ => { });
        Receive<Deadline>(_ => { });
    }

    private void Parking(BarrierProgress phase, IActorRef trainer)
    {
        Receive<Parked>(parked =>
        {
            if (phase.Arrive(parked.Id, parked.Until))
                _stats = _stats.Plus(parked.Stats);
            EndParkingIfOver(phase, trainer);
        });
        // One that joins now runs nothing, and is told the version with everybody else. Where it replaces one that was
        // waited for, that one is gone, whether or not word of it has come.
        Receive<JoinBarrier>(join =>
        {
            Enter(join);
            phase.Leave(join.Id);
            EndParkingIfOver(phase, trainer);
        });
        Receive<LeaveBarrier>(leave =>
        {
            Leave(leave, phase);
            EndParkingIfOver(phase, trainer);
        });
        Receive<HostLost>(lost =>
        {
            Leave(lost, phase);
            EndParkingIfOver(phase, trainer);
        });
        Receive<Deadline>(deadline => deadline.Version == phase.Version, _ => Fail(phase, trainer, "park"));
        ReceiveAny(Unhandled);
    }

    private void EndParkingIfOver(BarrierProgress phase, IActorRef trainer)
    {
        if (!phase.IsOver)
            return;
        Timers.Cancel(DeadlineTimer);
        trainer.Tell(new AllParked(phase.Version, _stats));
        Become(() => AllParkedUntil(phase.Version));
    }

    private void AllParkedUntil(PolicyVersion version)
    {
        Receive<UpdateAll>(update => update.Version.Value >= version.Value, update =>
        {
            var trainer = Sender;
            _version = update.Version;
            var phase = StartPhase(update.Version);
            foreach (var participant in _participants.Values)
                participant.Decoder.Tell(new UpdateWeights(update.Version));
            Become(() => Updating(phase, trainer));
            EndUpdatingIfOver(phase, trainer);
        });
        // A trainer that gave up on its step starts over: everybody is parked already.
        Receive<ParkAll>(park => Sender.Tell(new AllParked(park.Next, DecoderStats.None)));
        Receive<JoinBarrier>(Enter);
        Receive<LeaveBarrier>(leave => Leave(leave));
        Receive<HostLost>(lost => Leave(lost));
        Receive<Deadline>(_ => { });
        Receive<Parked>(_ => { });
    }

    private void Updating(BarrierProgress phase, IActorRef trainer)
    {
        Receive<WeightsUpdated>(updated =>
        {
            phase.Arrive(updated.Id, updated.Version);
            EndUpdatingIfOver(phase, trainer);
        });
        Receive<JoinBarrier>(join =>
        {
            Enter(join);
            join.Decoder.Tell(new UpdateWeights(phase.Version));
        });
        Receive<LeaveBarrier>(leave =>
        {
            Leave(leave, phase);
            EndUpdatingIfOver(phase, trainer);
        });
        Receive<HostLost>(lost =>
        {
            Leave(lost, phase);
            EndUpdatingIfOver(phase, trainer);
        });
        Receive<Deadline>(deadline => deadline.Version == phase.Version, _ => Fail(phase, trainer, "take the weights"));
        ReceiveAny(Unhandled);
    }

    private void EndUpdatingIfOver(BarrierProgress phase, IActorRef trainer)
    {
        if (!phase.IsOver)
            return;
        Timers.Cancel(DeadlineTimer);
        trainer.Tell(new StepOpened(phase.Version));
        Become(Open);
    }

    private BarrierProgress StartPhase(PolicyVersion version)
    {
        Timers.StartSingleTimer(DeadlineTimer, new Deadline(version), _settings.Timeout);
        return new BarrierProgress(version, _participants.Keys);
    }

    private void Fail(BarrierProgress phase, IActorRef trainer, string what)
    {
        var reason = $"{string.Join(", ", phase.Missing)} did not {what} for {phase.Version} within {_settings.Timeout}";
        _log.Error("step barrier: {Reason}", reason);
        trainer.Tell(new BarrierFailed(phase.Version, reason));
        foreach (var late in phase.Missing.ToArray())
            _participants.Remove(late);
        Become(Open);
    }

    private void Enter(JoinBarrier join) =>
        _participants[join.Id] = new Participant(join.Incarnation, join.Decoder);

    private void Leave(LeaveBarrier leave, BarrierProgress? phase = null)
    {
        if (!_participants.TryGetValue(leave.Id, out var known) || known.Incarnation > leave.Incarnation)
            return;
        _participants.Remove(leave.Id);
        phase?.Leave(leave.Id);
    }

    private void Leave(HostLost lost, BarrierProgress? phase = null)
    {
        foreach (var (id, participant) in _participants.Where(entry => entry.Key.Host == lost.Host).ToArray())
            Leave(new LeaveBarrier(id, participant.Incarnation), phase);
    }

    private const string DeadlineTimer = "deadline";

    private sealed record Participant(int Incarnation, IActorRef Decoder);

    private sealed record Deadline(PolicyVersion Version);
}
