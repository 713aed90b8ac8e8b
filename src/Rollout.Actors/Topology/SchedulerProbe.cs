using System.Globalization;
using Akka.Actor;

namespace Rollout.Actors.Topology;

/// <summary>
/// Tells a process when its scheduler has not handled a message for too long. Heartbeats go on while a scheduler is stuck,
/// so no other process would take over. The probe counts its own ticks: a process that was frozen as a whole is not blamed.
/// </summary>
public sealed class SchedulerProbe : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan TickEvery = TimeSpan.FromSeconds(1);

    private int _unanswered;

    /// <param name="scheduler">Where this process's scheduler is while it has the role; nobody there is an answer too.</param>
    /// <param name="patience">How long it may take to answer.</param>
    /// <param name="stuck">Told once, as a sentence, that it took longer.</param>
    public SchedulerProbe(ICanTell scheduler, TimeSpan patience, Action<string> stuck)
    {
        Receive<ActorIdentity>(_ => _unanswered = 0);
        Receive<Tick>(_ =>
        {
            if (_unanswered * TickEvery < patience)
            {
                _unanswered++;
                scheduler.Tell(new Identify(null), Self);
                return;
            }
            Timers.CancelAll();
            stuck(string.Create(
                CultureInfo.InvariantCulture,
                $"the scheduler of this process has not handled a message for {patience.TotalSeconds:0.#} s"
                + $" (rollout.cluster.scheduler-timeout): it gives its role up"));
        });
    }

    /// <inheritdoc cref="SchedulerProbe(ICanTell, TimeSpan, Action{string})"/>
    public static Props Props(ICanTell scheduler, TimeSpan patience, Action<string> stuck) =>
        Akka.Actor.Props.Create(() => new SchedulerProbe(scheduler, patience, stuck));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(Tick), new Tick(), TickEvery);

    private sealed record Tick;
}
