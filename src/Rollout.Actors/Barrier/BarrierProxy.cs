using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Barrier;

/// <summary>From the process's own topology, and from a timer: a barrier may be there now.</summary>
public sealed record LookForBarrier;

/// <summary>
/// Connects a process's decoders with the step barrier of the cluster's trainer: finds the trainer by membership and its
/// barrier by asking, tells the decoders who the trainer is, and forwards what they say. A trainer without a barrier, which
/// may still load its model, doesn't count yet.
/// </summary>
public sealed class BarrierProxy : ReceiveActor, IWithTimers
{
    /// <summary>The barrier's name below /user, in the trainer's process.</summary>
    public const string BarrierName = "barrier";

    private static readonly TimeSpan SearchEvery = TimeSpan.FromSeconds(1);

    private readonly IActorRef _membership;
    private readonly Func<HostId, ICanTell> _barrierOf;
    private readonly List<HostId> _trainers = [];       // the oldest member first
    private readonly HashSet<IActorRef> _decoders = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private (HostId Host, IActorRef Actor)? _barrier;
    private bool _isTrainerKnown;    // it is known who the trainer is, or that there is none

    /// <param name="membership">Asked for the hosts of the trainer's role.</param>
    /// <param name="barrierOf">Where a host's barrier is, if it has one.</param>
    public BarrierProxy(IActorRef membership, Func<HostId, ICanTell> barrierOf)
    {
        _membership = membership;
        _barrierOf = barrierOf;
        Receive<JoinBarrier>(ForwardJoin);
        Receive<LeaveBarrier>(leave => _barrier?.Actor.Forward(leave));
        Receive<Terminated>(gone => _decoders.Remove(gone.ActorRef));
        Receive<HostsUp>(up =>
        {
            _trainers.AddRange(up.Hosts.Except(_trainers));
            SearchBarrier();
        });
        Receive<HostLost>(lost => RemoveTrainer(lost.Host));
        Receive<LookForBarrier>(_ => SearchBarrier());
        Receive<ActorIdentity>(answer => AcceptAnswer((string)answer.MessageId, answer.Subject));
    }

    /// <inheritdoc cref="BarrierProxy(IActorRef, Func{HostId, ICanTell})"/>
    public static Props Props(IActorRef membership, Func<HostId, ICanTell> barrierOf) =>
        Akka.Actor.Props.Create(() => new BarrierProxy(membership, barrierOf));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => _membership.Tell(new WatchHosts(ClusterRoles.Trainer));

    private void ForwardJoin(JoinBarrier join)
    {
        if (_decoders.Add(join.Decoder))
            Context.Watch(join.Decoder);
        if (_isTrainerKnown)
            join.Decoder.Tell(new TrainerIs(_barrier?.Host));
        _barrier?.Actor.Forward(join);
    }

    private void SearchBarrier()
    {
        if (_barrier is not null)
            return;
        foreach (var trainer in _trainers)
            _barrierOf(trainer).Tell(new Identify(KeyOf(trainer)), Self);
        if (_trainers.Count > 0)
            Timers.StartSingleTimer(nameof(LookForBarrier), new LookForBarrier(), SearchEvery);
        else
            TellDecoders();
    }

    private void AcceptAnswer(string key, IActorRef? barrier)
    {
        if (_barrier is not null || !_trainers.Exists(trainer => KeyOf(trainer) == key))
            return;
        if (barrier is not null)
        {
            var host = _trainers.Find(trainer => KeyOf(trainer) == key);
            _log.Info("{Host} trains", host);
            Timers.Cancel(nameof(LookForBarrier));
            _barrier = (host, barrier);
            TellDecoders();
        }
        else if (!_isTrainerKnown)
        {
            TellDecoders();
        }
    }

    /// <summary>A host as text, which Akka's own messages may carry between processes.</summary>
    private static string KeyOf(HostId host) => $"{host.Address}#{host.Uid}";

    private void RemoveTrainer(HostId host)
    {
        _trainers.Remove(host);
        if (_barrier?.Host == host)
        {
            _log.Info("the trainer {Host} is gone", host);
            _barrier = null;
            TellDecoders();
        }
        // Decoders may be waiting for the answer of one that was lost before it gave any.
        SearchBarrier();
    }

    private void TellDecoders()
    {
        _isTrainerKnown = true;
        foreach (var decoder in _decoders)
            decoder.Tell(new TrainerIs(_barrier?.Host));
    }
}
