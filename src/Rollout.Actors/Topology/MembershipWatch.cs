using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology;

/// <summary>Turns cluster events into the product's own: a host that leaves or is downed is waited for no longer.</summary>
public sealed class MembershipWatch : ReceiveActor
{
    public MembershipWatch(IActorRef scheduler, IActorRef barrier)
    {
        var log = Context.GetLogger();
        Receive<ClusterEvent.MemberUp>(up => log.Info("{Member} is up", up.Member));
        Receive<ClusterEvent.UnreachableMember>(lost => log.Warning("{Member} is unreachable", lost.Member));
        Receive<ClusterEvent.ReachableMember>(back => log.Info("{Member} is reachable again", back.Member));
        Receive<ClusterEvent.MemberDowned>(downed => Lose(downed.Member));
        Receive<ClusterEvent.MemberExited>(exited => Lose(exited.Member));
        Receive<ClusterEvent.MemberRemoved>(removed => Lose(removed.Member));
        ReceiveAny(_ => { });

        void Lose(Member member)
        {
            log.Info("{Member} is {Status}", member, member.Status);
            var lost = new HostLost(HostOf(member.Address));
            scheduler.Tell(lost);
            barrier.Tell(lost);
        }
    }

    public static Props Props(IActorRef scheduler, IActorRef barrier) =>
        Akka.Actor.Props.Create(() => new MembershipWatch(scheduler, barrier));

    /// <summary>A member's host and port, as <see cref="DecoderId.Host"/> names it.</summary>
    public static string HostOf(Address address) => $"{address.Host}:{address.Port}";

    protected override void PreStart() => Cluster.Get(Context.System).Subscribe(
        Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent),
        typeof(ClusterEvent.IReachabilityEvent));

    protected override void PostStop() => Cluster.Get(Context.System).Unsubscribe(Self);
}
