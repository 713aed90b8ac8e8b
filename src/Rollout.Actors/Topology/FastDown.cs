using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;

namespace Rollout.Actors.Topology;

/// <summary>
/// Downs a member whose process has died, within half a second instead of after the split-brain resolver's patience.
/// A lost connection alone proves nothing; a machine that answers, and says that nobody listens at the member's port
/// any more, does. In a partition nobody answers, and the resolver decides.
/// </summary>
public sealed class FastDown : ReceiveActor, IWithTimers
{
    private const int Refusals = 3;

    /// <summary>A process may close its connections before its listener: one that answers at first is asked again.</summary>
    private const int Tries = 10;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly HashSet<UniqueAddress> _suspects = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();

    public FastDown()
    {
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

    public static Props Props() => Akka.Actor.Props.Create(() => new FastDown());

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(DisassociatedEvent));

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    /// <summary>A member that is expected to be there: one on its way out closes its port by itself.</summary>
    private Member? Current(Func<Member, bool> matches) => _cluster.State.Members.FirstOrDefault(member =>
        matches(member)
        && !member.UniqueAddress.Equals(_cluster.SelfUniqueAddress)
        && member.Status is not (MemberStatus.Exiting or MemberStatus.Down or MemberStatus.Removed));

    private void Probe(Suspect suspect) =>
        RefusesAsync(suspect.Member.Address).PipeTo(Self, success: refused => new Probed(suspect, refused));

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
        _log.Warning("the process at {Address} is gone: nothing listens there any more", member.Address);
        _cluster.Down(member.Address);
    }

    /// <summary>True only where the machine itself says that the port is closed.</summary>
    private static async Task<bool> RefusesAsync(Address address)
    {
        using var deadline = new CancellationTokenSource(ConnectTimeout);
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(address.Host, address.Port ?? 0, deadline.Token).ConfigureAwait(false);
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
