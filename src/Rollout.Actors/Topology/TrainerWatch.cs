using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Barrier;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>Tells a <see cref="BarrierProxy"/> which members train, the oldest first, and when one is lost.</summary>
public sealed class TrainerWatch : ReceiveActor
{
    public TrainerWatch(IActorRef proxy)
    {
        Receive<ClusterEvent.CurrentClusterState>(state =>
        {
            foreach (var member in state.Members.Where(IsTrainer).Order(Member.AgeOrdering))
                proxy.Tell(Up(member));
            proxy.Tell(new MembersKnown());
        });
        Receive<ClusterEvent.MemberUp>(up => IsTrainer(up.Member), up => proxy.Tell(Up(up.Member)));
        Receive<ClusterEvent.MemberDowned>(downed => Lose(downed.Member));
        Receive<ClusterEvent.MemberLeft>(left => Lose(left.Member));
        Receive<ClusterEvent.MemberExited>(exited => Lose(exited.Member));
        Receive<ClusterEvent.MemberRemoved>(removed => Lose(removed.Member));
        Receive<ClusterEvent.IMemberEvent>(_ => { });

        void Lose(Member member)
        {
            if (member.HasRole(ClusterRoles.Trainer))
                proxy.Tell(new HostLost(Hosts.IdOf(member.UniqueAddress)));
        }
    }

    public static Props Props(IActorRef proxy) => Akka.Actor.Props.Create(() => new TrainerWatch(proxy));

    /// <summary>Where a trainer's barrier is, seen from this actor system.</summary>
    public static ICanTell BarrierOf(ActorSystem system, TrainerUp trainer) =>
        system.ActorSelection(new RootActorPath(trainer.Address) / "user" / BarrierProxy.BarrierName);

    protected override void PreStart() => Cluster.Get(Context.System).Subscribe(
        Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(ClusterEvent.IMemberEvent));

    protected override void PostStop() => Cluster.Get(Context.System).Unsubscribe(Self);

    private static bool IsTrainer(Member member) => member.Status == MemberStatus.Up && member.HasRole(ClusterRoles.Trainer);

    private static TrainerUp Up(Member member) => new(Hosts.IdOf(member.UniqueAddress), member.Address);
}
