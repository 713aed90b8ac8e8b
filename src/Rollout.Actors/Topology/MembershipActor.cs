using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology;

/// <summary>
/// The one actor of a process that subscribes to the cluster's events. It tells actors that ask by <see cref="WatchHosts"/>
/// which hosts come and go, once this process is up itself, and those that ask by <see cref="WatchMembers"/> of every member.
/// A host is lost when it is downed or starts to leave, seconds before it is removed. The loss of this process itself is for
/// others to notice.
/// </summary>
public sealed class MembershipActor : ReceiveActor
{
    /// <summary>The actor's name below /user, in every member.</summary>
    public const string Name = "membership";

    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly Dictionary<UniqueAddress, Member> _members = [];
    private readonly HashSet<IActorRef> _memberWatchers = [];
    private readonly Dictionary<IActorRef, string> _hostWatchers = [];  // the role that each asks for
    private bool _hasJoined;                                            // so every host that was up before is known

    /// <param name="log">Told every event as it comes; nobody where they are not logged.</param>
    public MembershipActor(IActorRef log)
    {
        Receive<ClusterEvent.IMemberEvent>(change =>
        {
            log.Tell(change);
            Follow(change.Member);
        });
        Receive<ClusterEvent.IReachabilityEvent>(log.Tell);
        Receive<WatchHosts>(watch =>
        {
            _hostWatchers[Sender] = watch.Role;
            Context.Watch(Sender);
            if (_hasJoined)
                TellAllHosts(Sender);
        });
        Receive<WatchMembers>(_ =>
        {
            _memberWatchers.Add(Sender);
            Context.Watch(Sender);
            Sender.Tell(All);
        });
        Receive<Terminated>(stopped =>
        {
            _hostWatchers.Remove(stopped.ActorRef);
            _memberWatchers.Remove(stopped.ActorRef);
        });
    }

    /// <inheritdoc cref="MembershipActor(IActorRef)"/>
    public static Props Props(IActorRef log) => Akka.Actor.Props.Create(() => new MembershipActor(log));

    protected override void PreStart() => _cluster.Subscribe(
        Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent),
        typeof(ClusterEvent.IReachabilityEvent));

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    private MembersSeen All => new([.. _members.Values]);

    private void Follow(Member member)
    {
        var before = _members.GetValueOrDefault(member.UniqueAddress)?.Status;
        if (member.Status == MemberStatus.Removed)
            _members.Remove(member.UniqueAddress);
        else
            _members[member.UniqueAddress] = member;
        var all = All;
        foreach (var watcher in _memberWatchers)
            watcher.Tell(all);
        if (_hasJoined)
            TellHostWatchers(member, before);
        else if (member.Status == MemberStatus.Up && IsSelf(member))
            Begin();
    }

    private void Begin()
    {
        _hasJoined = true;
        foreach (var watcher in _hostWatchers.Keys)
            TellAllHosts(watcher);
    }

    private void TellAllHosts(IActorRef watcher) => watcher.Tell(new HostsUp(
    [
        .. _members.Values
            .Where(member => member.Status == MemberStatus.Up && member.HasRole(_hostWatchers[watcher]))
            .Order(Member.AgeOrdering)
            .Select(member => Hosts.IdOf(member.UniqueAddress)),
    ]));

    private void TellHostWatchers(Member member, MemberStatus? before)
    {
        var host = Hosts.IdOf(member.UniqueAddress);
        if (member.Status == MemberStatus.Up && before != MemberStatus.Up)
            Tell(new HostsUp([host]));
        // Also one that was never seen to be up: its decoders may have been heard of before.
        else if (IsLost(member.Status) && !IsLost(before) && !IsSelf(member))
            Tell(new HostLost(host));

        void Tell(object message)
        {
            foreach (var watcher in _hostWatchers.Where(watcher => member.HasRole(watcher.Value)))
                watcher.Key.Tell(message);
        }
    }

    private bool IsSelf(Member member) => member.UniqueAddress.Equals(_cluster.SelfUniqueAddress);

    private static bool IsLost(MemberStatus? status) =>
        status is MemberStatus.Leaving or MemberStatus.Exiting or MemberStatus.Down or MemberStatus.Removed;
}
