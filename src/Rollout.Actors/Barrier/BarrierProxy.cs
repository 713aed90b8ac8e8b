using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Barrier;

/// <summary>From membership: this process has the role of the trainer, and is up.</summary>
public sealed record TrainerUp(HostId Host, Address Address);

/// <summary>From membership: those who were up at the start have been named.</summary>
public sealed record MembersKnown;

/// <summary>From the process's own topology, and from a timer: a barrier may be there now.</summary>
public sealed record LookForBarrier;

/// <summary>
/// A process's way to the step barrier of whoever trains: finds the trainer by membership and its barrier by asking, tells
/// this process's decoders who it is, and passes on what they say. A trainer without a barrier, as one that still loads its
/// model, is none yet.
/// </summary>
public sealed class BarrierProxy : ReceiveActor, IWithTimers
{
    /// <summary>The barrier's name below /user, in the trainer's process.</summary>
    public const string BarrierName = "barrier";

    private static readonly TimeSpan SearchEvery = TimeSpan.FromSeconds(1);

    private readonly Func<TrainerUp, ICanTell> _barrierOf;
    private readonly List<TrainerUp> _trainers = [];        // the oldest member first
    private readonly HashSet<IActorRef> _decoders = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private Barrier? _found;
    private bool _settled;      // it is known who the trainer is, or that there is none

    /// <param name="barrierOf">Where a trainer's barrier is, if it is there.</param>
    public BarrierProxy(Func<TrainerUp, ICanTell> barrierOf)
    {
        _barrierOf = barrierOf;
        Receive<JoinBarrier>(Join);
        Receive<LeaveBarrier>(leave => _found?.Actor.Forward(leave));
        Receive<Terminated>(gone => _decoders.Remove(gone.ActorRef));
        Receive<TrainerUp>(up =>
        {
            _trainers.Add(up);
            Search();
        });
        Receive<MembersKnown>(_ => Search());
        Receive<LookForBarrier>(_ => Search());
        Receive<ActorIdentity>(answer => Find((string)answer.MessageId, answer.Subject));
        Receive<HostLost>(Lose);
    }

    public static Props Props(Func<TrainerUp, ICanTell> barrierOf) =>
        Akka.Actor.Props.Create(() => new BarrierProxy(barrierOf));

    public ITimerScheduler Timers { get; set; } = null!;

    private void Join(JoinBarrier join)
    {
        if (_decoders.Add(join.Decoder))
            Context.Watch(join.Decoder);
        if (_settled)
            join.Decoder.Tell(new TrainerIs(_found?.Host));
        _found?.Actor.Forward(join);
    }

    private void Search()
    {
        if (_found is not null)
            return;
        foreach (var trainer in _trainers)
            _barrierOf(trainer).Tell(new Identify(KeyOf(trainer.Host)), Self);
        if (_trainers.Count > 0)
            Timers.StartSingleTimer(nameof(Search), new LookForBarrier(), SearchEvery);
        else
            Settle();
    }

    private void Find(string key, IActorRef? barrier)
    {
        if (_found is not null || _trainers.Find(trainer => KeyOf(trainer.Host) == key) is not { Host: var host })
            return;
        if (barrier is not null)
        {
            _log.Info("{Host} trains", host);
            Timers.Cancel(nameof(Search));
            _found = new Barrier(host, barrier);
            Settle();
        }
        else if (!_settled)
        {
            Settle();
        }
    }

    /// <summary>A host as text, which Akka's own messages may carry to others.</summary>
    private static string KeyOf(HostId host) => $"{host.Address}#{host.Uid}";

    private void Lose(HostLost lost)
    {
        _trainers.RemoveAll(trainer => trainer.Host == lost.Host);
        if (_found?.Host == lost.Host)
        {
            _log.Info("the trainer {Host} is gone", lost.Host);
            _found = null;
            Settle();
        }
        // Also where it was only looked for: whoever waits for it need not.
        Search();
    }

    private void Settle()
    {
        _settled = true;
        foreach (var decoder in _decoders)
            decoder.Tell(new TrainerIs(_found?.Host));
    }

    private sealed record Barrier(HostId Host, IActorRef Actor);
}
