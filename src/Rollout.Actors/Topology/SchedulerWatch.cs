using System.Globalization;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Tells a process when its cluster has had no scheduler for too long. Members whose schedulers were all killed or have
/// left still reach one another, so the split-brain resolver sees nothing to decide.
/// </summary>
public sealed class SchedulerWatch : ReceiveActor, IWithTimers
{
    private readonly HashSet<HostId> _schedulers = [];
    private readonly IActorRef _membership;
    private readonly TimeSpan _patience;

    /// <param name="membership">Asked for the hosts of the scheduler's role.</param>
    /// <param name="patience">How long there may be none.</param>
    /// <param name="none">Told, as a sentence, that there was none for so long.</param>
    public SchedulerWatch(IActorRef membership, TimeSpan patience, Action<string> none)
    {
        _membership = membership;
        _patience = patience;
        Receive<HostsUp>(up =>
        {
            _schedulers.UnionWith(up.Hosts);
            RestartPatience();
        });
        Receive<HostLost>(lost =>
        {
            _schedulers.Remove(lost.Host);
            RestartPatience();
        });
        Receive<PatienceOver>(_ => none(string.Create(
            CultureInfo.InvariantCulture,
            $"the cluster has had no scheduler for {patience.TotalSeconds:0.#} s (rollout.cluster.scheduler-timeout):"
            + $" expected a member with the role {ClusterRoles.Scheduler}")));
    }

    /// <inheritdoc cref="SchedulerWatch(IActorRef, TimeSpan, Action{string})"/>
    public static Props Props(IActorRef membership, TimeSpan patience, Action<string> none) =>
        Akka.Actor.Props.Create(() => new SchedulerWatch(membership, patience, none));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => _membership.Tell(new WatchHosts(ClusterRoles.Scheduler));

    private void RestartPatience()
    {
        if (_schedulers.Count > 0)
            Timers.Cancel(nameof(PatienceOver));
        else if (!Timers.IsTimerActive(nameof(PatienceOver)))
            Timers.StartSingleTimer(nameof(PatienceOver), new PatienceOver(), _patience);
    }

    private sealed record PatienceOver;
}
