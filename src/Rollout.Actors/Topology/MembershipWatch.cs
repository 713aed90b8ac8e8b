using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology;

/// <summary>
/// Turns cluster events into the product's own: a host that leaves or is downed is waited for no longer. It says so when
/// a member is downed or starts to leave, seconds before it is removed.
/// </summary>
public sealed class MembershipWatch : ReceiveActor
{
    private readonly IActorRef[] _listeners;
    private readonly HashSet<HostId> _lost = [];

    public MembershipWatch(params IActorRef[] listeners)
    {
        _listeners = listeners;
        Receive<ClusterEvent.MemberLeft>(left => Lose(left.Member));
        Receive<ClusterEvent.MemberExited>(exited => Lose(exited.Member));
        Receive<ClusterEvent.MemberDowned>(downed => Lose(downed.Member));
        Receive<ClusterEvent.MemberRemoved>(removed =>
        {
            Lose(removed.Member);
            _lost.Remove(Hosts.IdOf(removed.Member.UniqueAddress));
        });
        Receive<ClusterEvent.IMemberEvent>(_ => { });
    }

    /// <param name="listeners">Each is told <see cref="HostLost"/> once a lost host.</param>
    public static Props Props(params IActorRef[] listeners) =>
        Akka.Actor.Props.Create(() => new MembershipWatch(listeners));

    protected override void PreStart() => Cluster.Get(Context.System).Subscribe(
        Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));

    protected override void PostStop() => Cluster.Get(Context.System).Unsubscribe(Self);

    private void Lose(Member member)
    {
        var host = Hosts.IdOf(member.UniqueAddress);
        if (!_lost.Add(host))
            return;
        foreach (var listener in _listeners)
            listener.Tell(new HostLost(host));
    }
}
