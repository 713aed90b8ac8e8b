using System.Reflection;
using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Decoding;

/// <summary>
/// Keeps a decoder on its device: one that fails is stopped with its allocator, reported lost, and started anew as the
/// next incarnation, so often and no more.
/// </summary>
public sealed class DecoderSupervisor : ReceiveActor
{
    private readonly DecoderSetup _setup;
    private readonly DecoderSettings _settings;
    private readonly IActorRef _scheduler;
    private readonly IActorRef _barrier;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private int _incarnation;
    private Exception? _fault;
    private IActorRef? _drainer;        // its host is about to leave, and waits for the decoder

    public DecoderSupervisor(DecoderSetup setup, DecoderSettings settings, IActorRef scheduler, IActorRef barrier)
    {
        _setup = setup;
        _settings = settings;
        _scheduler = scheduler;
        _barrier = barrier;
        Receive<Terminated>(_ => Replace());
        Receive<Drain>(drain =>
        {
            _drainer = Sender;
            var decoder = Context.Child(ChildName);
            if (decoder.IsNobody())
                Sender.Tell(new Drained(_setup.Id, 0));
            else
                decoder.Forward(drain);
        });
        Receive<QueryDecoderStats>(query => Context.Child(ChildName).Forward(query));
    }

    public static Props Props(
        DecoderSetup setup, DecoderSettings settings, IActorRef scheduler, IActorRef barrier) =>
        Akka.Actor.Props.Create(() => new DecoderSupervisor(setup, settings, scheduler, barrier));

    private string ChildName => $"decoder-{_incarnation}";

    protected override void PreStart() => Start();

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(fault =>
    {
        _fault = Cause(fault);
        return Directive.Stop;
    });

    /// <summary>What a constructor threw comes in three wrappers, of Akka, of its activator and of reflection.</summary>
    private static Exception Cause(Exception fault) => fault switch
    {
        ActorInitializationException { InnerException: { } inner } => Cause(inner),
        TypeLoadException { InnerException: { } inner } => Cause(inner),
        TargetInvocationException { InnerException: { } inner } => Cause(inner),
        _ => fault,
    };

    private void Start()
    {
        _fault = null;
        _incarnation++;
        Context.Watch(Context.ActorOf(
            DecoderActor.Props(_setup, _settings, _incarnation, _scheduler, _barrier), ChildName));
    }

    private void Replace()
    {
        var reason = WireLimits.Reason(_fault?.Message ?? "it stopped");
        var comesBack = _incarnation <= _settings.MaxRestarts && _drainer is null;
        _log.Error(_fault, "{Decoder} failed: {Reason}", _setup.Id, reason);
        var lost = new DecoderLost(_setup.Id, _incarnation, reason, comesBack, _setup.DecodersOfHost);
        _scheduler.Tell(lost);
        Context.System.EventStream.Publish(lost);
        _barrier.Tell(new LeaveBarrier(_setup.Id, _incarnation));
        // Nothing of it is here any more: what it was told to hand back goes on elsewhere, as far as it was reported.
        _drainer?.Tell(new Drained(_setup.Id, 0));
        if (comesBack)
            Start();
    }
}
