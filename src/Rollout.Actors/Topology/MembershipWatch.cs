using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Turns cluster events into the product's own, for one actor: which processes may have decoders, and which of them are
/// lost. A process is lost when it is downed or starts to leave, seconds before it is removed. Whether this one is lost is
/// for others to know.
/// </summary>
public sealed class MembershipWatch : ReceiveActor
{
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly IActorRef _listener;
    private readonly HashSet<HostId> _lost = [];

    public MembershipWatch(IActorRef listener)
    {
        _listener = listener;
        Receive<ClusterEvent.CurrentClusterState>(state => listener.Tell(
            new DecoderHostsUp([.. state.Members.Where(IsDecoder).Select(member => Hosts.IdOf(member.UniqueAddress))])));
        Receive<ClusterEvent.MemberUp>(up =>
        {
            if (IsDecoder(up.Member))
                listener.Tell(new DecoderHostsUp([Hosts.IdOf(up.Member.UniqueAddress)]));
        });
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

    /// <param name="listener">
    /// Told <see cref="DecoderHostsUp"/>, first with all that there are, and <see cref="HostLost"/> once a lost host.
    /// </param>
    public static Props Props(IActorRef listener) => Akka.Actor.Props.Create(() => new MembershipWatch(listener));

    protected override void PreStart() => _cluster.Subscribe(
        Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(ClusterEvent.IMemberEvent));

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    private static bool IsDecoder(Member member) =>
        member.Status == MemberStatus.Up && member.HasRole(ClusterRoles.Decoder);

    private void Lose(Member member)
    {
        var host = Hosts.IdOf(member.UniqueAddress);
        if (member.HasRole(ClusterRoles.Decoder) && !member.UniqueAddress.Equals(_cluster.SelfUniqueAddress) && _lost.Add(host))
            _listener.Tell(new HostLost(host));
    }
}
