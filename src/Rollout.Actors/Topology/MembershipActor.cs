using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology;

/// <summary>
/// The one actor of a process that turns the cluster's membership events into the product's own messages, for the actors that ask
/// by <see cref="WatchHosts"/>. A host is lost when it is downed or starts to leave, seconds before it is removed. The loss
/// of this process itself is for others to notice.
/// </summary>
public sealed class MembershipActor : ReceiveActor
{
    /// <summary>The actor's name below /user, in every member.</summary>
    public const string Name = "membership";

    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly Dictionary<IActorRef, string> _watchers = [];  // the role that each asks for
    private readonly List<(HostId Id, Member Member)> _up = [];     // the oldest first
    private readonly HashSet<HostId> _lost = [];                    // until they are removed
    private bool _isKnown;                                          // the members of the start have been named

    /// <param name="log">Told every event as it comes; nobody where they are not logged.</param>
    public MembershipActor(IActorRef log)
    {
        Receive<ClusterEvent.CurrentClusterState>(state =>
        {
            log.Tell(state);
            _isKnown = true;
            foreach (var member in state.Members.Where(member => member.Status == MemberStatus.Up).Order(Member.AgeOrdering))
                _up.Add((Hosts.IdOf(member.UniqueAddress), member));
            foreach (var watcher in _watchers.Keys)
                TellAll(watcher);
        });
        Receive<ClusterEvent.IClusterDomainEvent>(change =>
        {
            log.Tell(change);
            Follow(change);
        });
        Receive<WatchHosts>(watch =>
        {
            _watchers[Sender] = watch.Role;
            Context.Watch(Sender);
            if (_isKnown)
                TellAll(Sender);
        });
        Receive<Terminated>(stopped => _watchers.Remove(stopped.ActorRef));
    }

    /// <inheritdoc cref="MembershipActor(IActorRef)"/>
    public static Props Props(IActorRef log) => Akka.Actor.Props.Create(() => new MembershipActor(log));

    protected override void PreStart() => _cluster.Subscribe(
        Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(ClusterEvent.IMemberEvent),
        typeof(ClusterEvent.IReachabilityEvent));

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    private void Follow(ClusterEvent.IClusterDomainEvent change)
    {
        switch (change)
        {
            case ClusterEvent.MemberUp up:
                AddHost(up.Member);
                break;
            case ClusterEvent.MemberRemoved removed:
                RemoveHost(removed.Member);
                _lost.Remove(Hosts.IdOf(removed.Member.UniqueAddress));
                break;
            case ClusterEvent.MemberLeft or ClusterEvent.MemberExited or ClusterEvent.MemberDowned:
                RemoveHost(((ClusterEvent.IMemberEvent)change).Member);
                break;
        }
    }

    private void TellAll(IActorRef watcher) => watcher.Tell(
        new HostsUp([.. _up.Where(host => host.Member.HasRole(_watchers[watcher])).Select(host => host.Id)]));

    private void AddHost(Member member)
    {
        var host = Hosts.IdOf(member.UniqueAddress);
        if (_up.Exists(known => known.Id == host))
            return;
        _up.Add((host, member));
        TellWatchers(member, new HostsUp([host]));
    }

    /// <summary>Also for one that was never seen to be up: its decoders may have been heard of before.</summary>
    private void RemoveHost(Member member)
    {
        var host = Hosts.IdOf(member.UniqueAddress);
        if (member.UniqueAddress.Equals(_cluster.SelfUniqueAddress) || !_lost.Add(host))
            return;
        _up.RemoveAll(known => known.Id == host);
        TellWatchers(member, new HostLost(host));
    }

    private void TellWatchers(Member member, object message)
    {
        foreach (var (watcher, role) in _watchers)
        {
            if (member.HasRole(role))
                watcher.Tell(message);
        }
    }
}
