using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Says a line for every member that comes, goes or becomes unreachable, and warns of a cluster with two schedulers, where
/// the loss of one may end everything. Listening -(this process is up)-> Telling. <see cref="MembershipActor"/> sends it the
/// cluster's events.
/// </summary>
public sealed class MembershipLog : ReceiveActor, IWithTimers
{
    /// <summary>Schedulers start one after the other: warn of two only when they stay two.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(20);

    private readonly Action<string> _say;
    private readonly TimeSpan _settling;
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly Dictionary<UniqueAddress, Member> _members = [];

    /// <param name="say">Told each line.</param>
    /// <param name="settling">How long to wait for a third scheduler before the warning.</param>
    public MembershipLog(Action<string> say, TimeSpan settling)
    {
        _say = say;
        _settling = settling;
        Become(Listening);
    }

    public static Props Props(Action<string> say) =>
        Akka.Actor.Props.Create(() => new MembershipLog(say, Settling));

    public ITimerScheduler Timers { get; set; } = null!;

    private void Listening()
    {
        Receive<ClusterEvent.MemberUp>(up =>
        {
            _members[up.Member.UniqueAddress] = up.Member;
            if (!IsSelf(up.Member))
                return;
            Become(Telling);
            Say(up.Member, $"is up; {NameOfCluster()}{Census()}");
            foreach (var lost in _cluster.State.Unreachable)
                Say(lost, "is unreachable");
            CountSchedulersSoon();
        });
        Receive<ClusterEvent.MemberRemoved>(removed => _members.Remove(removed.Member.UniqueAddress));
        Receive<ClusterEvent.IClusterDomainEvent>(_ => { });
    }

    private void Telling()
    {
        Receive<ClusterEvent.MemberUp>(up =>
        {
            _members[up.Member.UniqueAddress] = up.Member;
            Say(up.Member, $"is up; {Census()}");
            CountSchedulersSoon();
        });
        Receive<ClusterEvent.MemberLeft>(left =>
        {
            Say(left.Member, "leaves");
            // A member that leaves sees the others disappear.
            if (IsSelf(left.Member))
                Context.Stop(Self);
        });
        Receive<ClusterEvent.MemberDowned>(downed => Say(downed.Member, "is down"));
        Receive<ClusterEvent.MemberRemoved>(removed =>
        {
            if (!_members.Remove(removed.Member.UniqueAddress) || _members.Count == 0)
                return;
            Say(removed.Member, $"is gone; {Census()}");
            CountSchedulersSoon();
        });
        Receive<ClusterEvent.UnreachableMember>(lost => Say(lost.Member, "is unreachable"));
        Receive<ClusterEvent.ReachableMember>(back => Say(back.Member, "is reachable again"));
        Receive<CountSchedulers>(_ => WarnOfTwo());
        Receive<ClusterEvent.IClusterDomainEvent>(_ => { });
    }

    private bool IsSelf(Member member) => member.UniqueAddress.Equals(_cluster.SelfUniqueAddress);

    private void CountSchedulersSoon() =>
        Timers.StartSingleTimer(nameof(CountSchedulers), CountSchedulers.Instance, _settling);

    private void Say(Member member, string what) =>
        _say($"{Hosts.AddressOf(member.Address)} ({string.Join(", ", RolesOf(member))}) {what}");

    private static IEnumerable<string> RolesOf(Member member) => ClusterRoles.All.Where(member.HasRole);

    /// <summary>What a process says first of the cluster that it has joined, where that has a name.</summary>
    private string NameOfCluster() =>
        _members.Values.Select(ClusterName.Of).OfType<string>().FirstOrDefault() is { } name ? $"cluster '{name}', " : "";

    /// <summary>"4 members: 1 scheduler, 3 decoders".</summary>
    private string Census()
    {
        var counts = ClusterRoles.All
            .Select(role => (Role: role, Count: _members.Values.Count(member => member.HasRole(role))))
            .Where(entry => entry.Count > 0)
            .Select(entry => Counted(entry.Count, entry.Role));
        return $"{Counted(_members.Count, "member")}: {string.Join(", ", counts)}";
    }

    private static string Counted(int count, string noun) => $"{count} {noun}{(count == 1 ? "" : "s")}";

    private void WarnOfTwo()
    {
        var schedulers = _members.Values.Where(member => member.HasRole(ClusterRoles.Scheduler)).ToArray();
        if (schedulers.Length != 2)
            return;
        _say(
            $"warning: {string.Join(" and ", schedulers.Select(member => Hosts.AddressOf(member.Address)))} have the role"
            + $" {ClusterRoles.Scheduler}: run one or three: with two, the loss of one may end the whole cluster");
    }

    private sealed record CountSchedulers
    {
        public static CountSchedulers Instance { get; } = new();
    }
}
