using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Downs a member whose process has died, within half a second instead of after the time that broken links are given. A lost
/// connection alone proves nothing; a machine that refuses connections to the member's port does. In a partition no machine
/// answers, and <see cref="Downing.DowningActor"/> decides. Schedulers down any member. Decoders and trainers down the
/// schedulers, once the processes of all schedulers are gone; clients down nobody.
/// <para>
/// It looks at the cluster itself, as <see cref="MembershipActor"/> does for others: it must down members that die before they
/// are up, which that actor doesn't name, and it runs before this process has joined.
/// </para>
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

    public FastDown(ClusterCertificates? certificates)
    {
        _certificates = certificates;
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

    /// <param name="certificates">This member's; null without TLS.</param>
    public static Props Props(ClusterCertificates? certificates) =>
        Akka.Actor.Props.Create(() => new FastDown(certificates));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(DisassociatedEvent));

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    /// <summary>The matching member, unless it is on its way out: such a member closes its port by itself.</summary>
    private Member? Current(Func<Member, bool> matches) => _cluster.State.Members.FirstOrDefault(member =>
        matches(member)
        && !member.UniqueAddress.Equals(_cluster.SelfUniqueAddress)
        && member.Status is not (MemberStatus.Exiting or MemberStatus.Down or MemberStatus.Removed));

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
        if (_cluster.SelfMember.HasRole(ClusterRoles.Scheduler))
            return [gone];
        Member[] schedulers =
        [
            .. _cluster.State.Members.Where(member => member.HasRole(ClusterRoles.Scheduler)
                && member.Status is not (MemberStatus.Exiting or MemberStatus.Down or MemberStatus.Removed)),
        ];
        var areAllGone = schedulers.All(scheduler => _gone.Contains(scheduler.UniqueAddress));
        var isClient = !_cluster.SelfMember.HasRole(ClusterRoles.Decoder) && !_cluster.SelfMember.HasRole(ClusterRoles.Trainer);
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
