using System.Globalization;
using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Says when the cluster has had no scheduler for too long. Members whose schedulers were all killed or have left can
/// reach one another: nothing is unreachable, and the split-brain resolver has nothing to decide.
/// </summary>
public sealed class SchedulerWatch : ReceiveActor, IWithTimers
{
    private readonly HashSet<UniqueAddress> _schedulers = [];
    private readonly TimeSpan _patience;

    /// <param name="patience">How long there may be none.</param>
    /// <param name="none">Told, as a sentence, that there was none for so long.</param>
    public SchedulerWatch(TimeSpan patience, Action<string> none)
    {
        _patience = patience;
        Receive<ClusterEvent.CurrentClusterState>(state =>
        {
            foreach (var member in state.Members)
                Note(member);
            Count();
        });
        Receive<ClusterEvent.IMemberEvent>(change =>
        {
            Note(change.Member);
            Count();
        });
        Receive<Patience>(_ => none(string.Create(
            CultureInfo.InvariantCulture,
            $"the cluster has had no scheduler for {patience.TotalSeconds:0.#} s (rollout.cluster.scheduler-timeout):"
            + $" expected a member with the role {ClusterRoles.Scheduler}")));
    }

    /// <inheritdoc cref="SchedulerWatch(TimeSpan, Action{string})"/>
    public static Props Props(TimeSpan patience, Action<string> none) =>
        Akka.Actor.Props.Create(() => new SchedulerWatch(patience, none));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Cluster.Get(Context.System).Subscribe(
        Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(ClusterEvent.IMemberEvent));

    protected override void PostStop() => Cluster.Get(Context.System).Unsubscribe(Self);

    private void Note(Member member)
    {
        if (!member.HasRole(ClusterRoles.Scheduler))
            return;
        if (member.Status is MemberStatus.Exiting or MemberStatus.Down or MemberStatus.Removed)
            _schedulers.Remove(member.UniqueAddress);
        else
            _schedulers.Add(member.UniqueAddress);
    }

    private void Count()
    {
        if (_schedulers.Count > 0)
            Timers.Cancel(nameof(Patience));
        else if (!Timers.IsTimerActive(nameof(Patience)))
            Timers.StartSingleTimer(nameof(Patience), Patience.Over, _patience);
    }

    private sealed record Patience
    {
        public static Patience Over { get; } = new();
    }
}
