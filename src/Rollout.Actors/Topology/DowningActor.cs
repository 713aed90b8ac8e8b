using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology.Downing;

namespace Rollout.Actors.Topology;

/// <summary>
/// Runs on every member, from before it joins, and downs the members that its <see cref="DowningJudge"/> gives up. It feeds the
/// judge with what this member's failure detector says of the others and, on a scheduler, with the reports of the other
/// schedulers. It takes the place of Akka's split-brain resolver, which downs both ends of a single broken link.
/// </summary>
public sealed class DowningActor : ReceiveActor, IWithTimers
{
    /// <summary>The actor's name below /user, in every member.</summary>
    public const string Name = "downing";

    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly IActorRef _membership;
    private readonly DowningTimes _times;
    private readonly DowningJudge _judge;
    private readonly bool _isScheduler;
    private IReadOnlyCollection<Member> _members = [];
    private readonly IgnoredLinks _ignored;
    private readonly HashSet<HostId> _downed = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly long _started = TimeProvider.System.GetTimestamp();

    /// <param name="times">The times to wait.</param>
    /// <param name="membership">Asked for the members.</param>
    public DowningActor(DowningTimes times, IActorRef membership)
    {
        (_times, _membership) = (times, membership);
        _judge = new DowningJudge(Hosts.IdOf(_cluster.SelfUniqueAddress), times);
        _ignored = new IgnoredLinks(_cluster);
        _isScheduler = _cluster.SelfRoles.Contains(ClusterRoles.Scheduler);
        Receive<MembersSeen>(now => _members = now.Members);
        Receive<Tick>(_ => Look());
        Receive<LinkReport>(report => _judge.Accept(report.Rows));
        Receive<LinkDetector.Started>(started => _ignored.Add(started.Detector));
        Receive<ThisActorSystemQuarantinedEvent>(refused =>
        {
            if (_members.FirstOrDefault(member => member.Address.Equals(refused.RemoteAddress)) is { } member)
                _judge.AcceptRefusal(Hosts.IdOf(member.UniqueAddress));
        });
    }

    /// <inheritdoc cref="DowningActor(DowningTimes, IActorRef)"/>
    public static Props Props(DowningTimes times, IActorRef membership) =>
        Akka.Actor.Props.Create(() => new DowningActor(times, membership)).WithDispatcher("akka.actor.internal-dispatcher");

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(LinkDetector.Started));
        Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));
        _membership.Tell(new WatchMembers());
        Timers.StartPeriodicTimer(Tick.Instance, Tick.Instance, _times.Tick);
    }

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    private void Look()
    {
        Member[] members =
        [
            .. _members
                .Where(member => member.Status is not (MemberStatus.Exiting or MemberStatus.Down))
                .Order(Member.AgeOrdering),
        ];
        if (!_isScheduler)
            _ignored.Update(_members);
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
            Hosts.Find(Context.System, Hosts.IdOf(member.UniqueAddress), Name).Tell(report);
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
