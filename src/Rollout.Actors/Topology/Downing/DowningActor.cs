using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology.Downing;

/// <summary>
/// Runs on every member and downs the members that its <see cref="DowningJudge"/> gives up. It feeds the judge with what this member's
/// failure detector says of the others and, on a scheduler, with the reports of the other schedulers.
/// </summary>
public sealed class DowningActor : ReceiveActor, IWithTimers
{
    private readonly Cluster _cluster;
    private readonly DowningTimes _times;
    private readonly DowningJudge _judge;
    private readonly bool _isScheduler;
    private readonly Dictionary<UniqueAddress, Member> _members = [];
    private readonly IgnoredLinks _ignored;
    private readonly HashSet<HostId> _downed = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly long _started = TimeProvider.System.GetTimestamp();

    public DowningActor(Cluster cluster, DowningTimes times)
    {
        _cluster = cluster;
        _times = times;
        _judge = new DowningJudge(Hosts.IdOf(cluster.SelfUniqueAddress), times);
        _ignored = new IgnoredLinks(cluster);
        _isScheduler = cluster.Settings.Roles.Contains(ClusterRoles.Scheduler);
        Receive<ClusterEvent.MemberRemoved>(removed => _members.Remove(removed.Member.UniqueAddress));
        Receive<ClusterEvent.IMemberEvent>(change => _members[change.Member.UniqueAddress] = change.Member);
        Receive<Tick>(_ => Look());
        Receive<LinkReport>(report => _judge.Accept(report.Rows));
        Receive<LinkDetector.Started>(started => _ignored.Add(started.Detector));
        Receive<ThisActorSystemQuarantinedEvent>(refused =>
        {
            if (_members.Values.FirstOrDefault(member => member.Address.Equals(refused.RemoteAddress)) is { } member)
                _judge.AcceptRefusal(Hosts.IdOf(member.UniqueAddress));
        });
    }

    /// <param name="cluster">The cluster extension, which is still being made.</param>
    /// <param name="times">The times to wait.</param>
    public static Props Props(Cluster cluster, DowningTimes times) =>
        Akka.Actor.Props.Create(() => new DowningActor(cluster, times));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(LinkDetector.Started));
        Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));
        _cluster.Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));
        Timers.StartPeriodicTimer(Tick.Instance, Tick.Instance, _times.Tick);
    }

    protected override void PostStop()
    {
        Context.System.EventStream.Unsubscribe(Self);
        _cluster.Unsubscribe(Self);
    }

    private void Look()
    {
        Member[] members =
        [
            .. _members.Values
                .Where(member => member.Status is not (MemberStatus.Exiting or MemberStatus.Down or MemberStatus.Removed))
                .Order(Member.AgeOrdering),
        ];
        if (!_isScheduler)
            _ignored.Update(_members.Values);
        var lost = _judge.Look(
            TimeProvider.System.GetElapsedTime(_started),
            [.. members.Select(ToJudged)],
            members.Where(IsSilent).Select(member => Hosts.IdOf(member.UniqueAddress)).ToHashSet());
        if (_isScheduler)
            Report(members);
        foreach (var member in members.Where(member => lost.Contains(Hosts.IdOf(member.UniqueAddress))))
            Down(member);
    }

    private static JudgedMember ToJudged(Member member) => new(
        Hosts.IdOf(member.UniqueAddress),
        member.HasRole(ClusterRoles.Scheduler),
        member.Status is MemberStatus.Up or MemberStatus.Leaving,
        Worth: member.HasRole(ClusterRoles.Decoder) || member.HasRole(ClusterRoles.Trainer) ? 1 : 0);

    private bool IsSilent(Member member) =>
        !IsSelf(member) && !_cluster.FailureDetector.IsAvailable(member.Address);

    private bool IsSelf(Member member) => member.UniqueAddress.Equals(_cluster.SelfUniqueAddress);

    private void Report(Member[] members)
    {
        var report = new LinkReport(_judge.Rows);
        foreach (var member in members.Where(member => member.HasRole(ClusterRoles.Scheduler) && !IsSelf(member)))
            Context.ActorSelection(member.Address + Self.Path.ToStringWithoutAddress()).Tell(report);
    }

    private void Down(Member member)
    {
        if (_downed.Add(Hosts.IdOf(member.UniqueAddress)))
        {
            if (IsSelf(member))
                _log.Warning("this process can't reach most of the schedulers: it ends");
            else
                _log.Warning("{0} is given up: the schedulers that go on can't reach it", Hosts.AddressOf(member.Address));
        }
        _cluster.Down(member.Address);
    }

    private sealed record Tick
    {
        public static Tick Instance { get; } = new();
    }
}
