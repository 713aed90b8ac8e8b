using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Downs a member whose process has died, within half a second instead of after the time that broken links are given. A lost
/// connection alone proves nothing; a machine that refuses connections to the member's port does. In a partition no machine
/// answers, and <see cref="DowningActor"/> decides. Schedulers down any member. Decoders and trainers down the
/// schedulers, once the processes of all schedulers are gone; clients down nobody.
/// </summary>
public sealed class FastDown : ReceiveActor, IWithTimers
{
    private const int Refusals = 3;

    /// <summary>A process may close its connections before its listener, so one that still answers is asked again.</summary>
    private const int Tries = 10;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly HashSet<UniqueAddress> _suspects = [];
    private readonly HashSet<UniqueAddress> _gone = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ClusterCertificates? _certificates;
    private readonly IActorRef _membership;
    private IReadOnlyCollection<Member> _members = [];

    /// <param name="certificates">This member's; null without TLS.</param>
    /// <param name="membership">Asked for the members.</param>
    public FastDown(ClusterCertificates? certificates, IActorRef membership)
    {
        (_certificates, _membership) = (certificates, membership);
        Receive<MembersSeen>(now => _members = now.Members);
        Receive<DisassociatedEvent>(lost =>
        {
            if (Current(member => member.Address.Equals(lost.RemoteAddress)) is { } member
                && _suspects.Add(member.UniqueAddress))
            {
                Probe(new Suspect(member.UniqueAddress, Try: 1, Refusals: 0));
            }
        });
        Receive<Suspect>(Probe);
        Receive<Probed>(Judge);
    }

    /// <inheritdoc cref="FastDown(ClusterCertificates?, IActorRef)"/>
    public static Props Props(ClusterCertificates? certificates, IActorRef membership) =>
        Akka.Actor.Props.Create(() => new FastDown(certificates, membership));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(DisassociatedEvent));
        _membership.Tell(new WatchMembers());
    }

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    /// <summary>The matching member, unless it is on its way out: such a member closes its port by itself.</summary>
    private Member? Current(Func<Member, bool> matches) => _members.FirstOrDefault(member =>
        matches(member) && !member.UniqueAddress.Equals(_cluster.SelfUniqueAddress) && Stays(member));

    private static bool Stays(Member member) => member.Status is not (MemberStatus.Exiting or MemberStatus.Down);

    private void Probe(Suspect suspect) =>
        RefusesAsync(suspect.Member.Address, _certificates).PipeTo(Self, success: refused => new Probed(suspect, refused));

    private void Judge(Probed probed)
    {
        var member = Current(member => member.UniqueAddress.Equals(probed.Suspect.Member));
        var refusals = probed.Refused ? probed.Suspect.Refusals + 1 : 0;
        if (member is not null && refusals < Refusals && probed.Suspect.Try < Tries)
        {
            var again = new Suspect(probed.Suspect.Member, probed.Suspect.Try + 1, refusals);
            Timers.StartSingleTimer(again, again, Pause);
            return;
        }
        _suspects.Remove(probed.Suspect.Member);
        if (member is null || refusals < Refusals)
            return;
        _gone.Add(member.UniqueAddress);
        foreach (var lost in ToDown(member))
        {
            _log.Warning("the process at {Address} is gone: nothing listens there any more", lost.Address);
            _cluster.Down(lost.Address);
        }
    }

    /// <summary>A firewall may answer for a machine to one member only, so a single observation of any other member is not enough.</summary>
    private Member[] ToDown(Member gone)
    {
        var roles = _cluster.SelfRoles;
        if (roles.Contains(ClusterRoles.Scheduler))
            return [gone];
        Member[] schedulers = [.. _members.Where(member => member.HasRole(ClusterRoles.Scheduler) && Stays(member))];
        var areAllGone = schedulers.All(scheduler => _gone.Contains(scheduler.UniqueAddress));
        var isClient = !roles.Contains(ClusterRoles.Decoder) && !roles.Contains(ClusterRoles.Trainer);
        return areAllGone && !isClient ? schedulers : [];
    }

    /// <summary>
    /// True only when the machine refuses the connection. A connection that is accepted ends after a TLS handshake, if there
    /// is TLS: the member would log one that fails.
    /// </summary>
    internal static async Task<bool> RefusesAsync(Address address, ClusterCertificates? certificates)
    {
        using var deadline = new CancellationTokenSource(ConnectTimeout);
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(address.Host, address.Port ?? 0, deadline.Token).ConfigureAwait(false);
            if (certificates is not null)
                await SeedProbe.WhyNotSecureAsync(client.GetStream(), certificates, deadline.Token).ConfigureAwait(false);
            return false;
        }
        catch (SocketException refused)
        {
            return refused.SocketErrorCode == SocketError.ConnectionRefused;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private sealed record Suspect(UniqueAddress Member, int Try, int Refusals);

    private sealed record Probed(Suspect Suspect, bool Refused);
}
