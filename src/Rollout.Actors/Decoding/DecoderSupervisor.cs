using System.Reflection;
using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Decoding;

/// <summary>
/// Keeps a decoder on its device. One that fails is stopped with its allocator and reported lost; after a pause the
/// next incarnation starts, until <c>decoder.max-restarts</c> within <c>decoder.restart-window</c> are spent.
/// </summary>
public sealed class DecoderSupervisor : ReceiveActor, IWithTimers
{
    private readonly DecoderSetup _setup;
    private readonly DecoderSettings _settings;
    private readonly IActorRef _scheduler;
    private readonly IActorRef _barrier;
    private readonly RestartBudget _restarts;
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private int _incarnation;
    private Exception? _fault;
    private IActorRef? _drainer;        // the host, which is about to leave and waits for the decoder

    public DecoderSupervisor(
        DecoderSetup setup, DecoderSettings settings, IActorRef scheduler, IActorRef barrier, TimeProvider time)
    {
        _restarts = new RestartBudget(settings.MaxRestarts, settings.RestartWindow, settings.RestartPause);
        _time = time;
        _started = time.GetTimestamp();
        _setup = setup;
        _settings = settings;
        _scheduler = scheduler;
        _barrier = barrier;
        Receive<Terminated>(_ => ReportLoss());
        Receive<RestartDue>(_ =>
        {
            if (_drainer is null)
                Start();
        });
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
        DecoderSetup setup, DecoderSettings settings, IActorRef scheduler, IActorRef barrier, TimeProvider? time = null)
    {
        var clock = time ?? TimeProvider.System;
        return Akka.Actor.Props.Create(() => new DecoderSupervisor(setup, settings, scheduler, barrier, clock));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private string ChildName => $"decoder-{_incarnation}";

    protected override void PreStart() => Start();

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(fault =>
    {
        _fault = Cause(fault);
        return Directive.Stop;
    });

    /// <summary>Unwraps what a constructor threw: Akka, its activator and reflection each wrap it once.</summary>
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

    private void ReportLoss()
    {
        var reason = WireLimits.Reason(_fault?.Message ?? "it stopped");
        var pause = _drainer is null ? _restarts.PauseAfterFailure(_time.GetElapsedTime(_started)) : null;
        var next = pause is { } wait ? $"starts again in {wait.TotalSeconds:0.##} s" : "does not start again";
        _log.Error(_fault, "{Decoder} failed and {Next}: {Reason}", _setup.Id, next, reason);
        var lost = new DecoderLost(_setup.Id, _incarnation, reason, pause is not null, _setup.DecodersOfHost);
        _scheduler.Tell(lost);
        Context.System.EventStream.Publish(lost);
        _barrier.Tell(new LeaveBarrier(_setup.Id, _incarnation));
        // Nothing is left to hand back: its samples go on elsewhere from the tokens that it had reported.
        _drainer?.Tell(new Drained(_setup.Id, 0));
        if (pause is { } after)
            Timers.StartSingleTimer(nameof(RestartDue), new RestartDue(), after);
    }

    private sealed record RestartDue;
}
