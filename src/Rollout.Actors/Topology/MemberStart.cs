using Akka;
using Akka.Actor;
using Akka.Cluster.Tools.Singleton;
using Rollout.Actors.Protocol;
using Rollout.Actors.Scheduling;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology.Downing;

namespace Rollout.Actors.Topology;

/// <summary>
/// Starts an actor system and makes it a member that can reach the scheduler. A process that is downed on the way, for
/// example because it joined through a scheduler that is itself being downed, starts over with a new actor system.
/// </summary>
/// <param name="settings">The whole configuration.</param>
/// <param name="certificates">This member's; null without TLS.</param>
/// <param name="akka">The configuration's own akka section in HOCON.</param>
/// <param name="say">Told a line for each member that comes or goes; null if nobody reads it.</param>
/// <param name="waits">See <see cref="ClusterJoin"/>.</param>
internal sealed class MemberStart(
    RolloutSettings settings, ClusterCertificates? certificates, string akka, Action<string>? say, bool waits)
{
    /// <summary>The name of an actor that every member has, and no process that hasn't joined.</summary>
    public const string ProxyName = "scheduler-proxy";

    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(5);

    private readonly ClusterJoin _join = new(settings.Cluster, certificates, say, waits);

    /// <summary>Joins the cluster and starts the actors that every member has.</summary>
    public async Task<Member> RunAsync(CancellationToken stop)
    {
        if (settings.Cluster.SeedNodes.Count > 0)
            say?.Invoke($"joining the cluster {(settings.Cluster.Name.Length == 0 ? "" : $"'{settings.Cluster.Name}' ")}of {string.Join(", ", settings.Cluster.SeedNodes)}");
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var system = await _join.OpenAsync(akka).ConfigureAwait(false);
            try
            {
                return await WhileMemberAsync(system, JoinAsync(system), stop).ConfigureAwait(false);
            }
            catch (Exception)
            {
                await LeaveAsync(system).ConfigureAwait(false);
                if (!IsDowned(system) || TimeProvider.System.GetElapsedTime(started) > settings.Cluster.JoinTimeout)
                    throw;
                say?.Invoke("the cluster gave this process up while it joined: joining again");
            }
        }
    }

    /// <summary>The cluster has downed this process.</summary>
    public static bool IsDowned(ActorSystem system) =>
        CoordinatedShutdown.Get(system).ShutdownReason is CoordinatedShutdown.ClusterDowningReason;

    /// <summary>Leaves the cluster and stops every actor.</summary>
    public static Task<Done> LeaveAsync(ActorSystem system) =>
        CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ActorSystemTerminateReason.Instance);

    /// <exception cref="MembershipException">It did not answer in time.</exception>
    public static async Task<SchedulerReport> AskSchedulerAsync(IActorRef scheduler, TimeSpan deadline)
    {
        for (var left = deadline; ; left -= AskAgain)
        {
            try
            {
                // A question to a scheduler that dies meanwhile is lost: ask again.
                return await scheduler.Ask<SchedulerReport>(new QueryScheduler(), left < AskAgain ? left : AskAgain)
                    .ConfigureAwait(false);
            }
            catch (AskTimeoutException) when (left > AskAgain)
            {
            }
            catch (AskTimeoutException fault)
            {
                throw new MembershipException(
                    $"no scheduler answered within {deadline.TotalSeconds:0.#} s: expected a member with the role"
                    + $" {ClusterRoles.Scheduler} in the cluster",
                    fault);
            }
        }
    }

    /// <summary>Stops waiting for others once this process is no longer a member.</summary>
    private static async Task<Member> WhileMemberAsync(
        ActorSystem system, Task<Member> starting, CancellationToken stop)
    {
        if (await Task.WhenAny(starting, system.WhenTerminated).WaitAsync(stop).ConfigureAwait(false) != starting)
            throw new MembershipException("the cluster gave up this process while it joined");
        return await starting.ConfigureAwait(false);
    }

    /// <summary>A process that is up in its cluster.</summary>
    /// <param name="System">Its actor system.</param>
    /// <param name="Membership">Tells its actors which hosts come and go.</param>
    /// <param name="Scheduler">Its proxy of the cluster's one scheduler.</param>
    internal sealed record Member(ActorSystem System, IActorRef Membership, IActorRef Scheduler);

    private async Task<Member> JoinAsync(ActorSystem system)
    {
        var roles = settings.Cluster.Roles;
        var log = say is null ? ActorRefs.Nobody : system.ActorOf(MembershipLog.Props(say), "membership-log");
        var membership = system.ActorOf(MembershipActor.Props(log), MembershipActor.Name);
        system.ActorOf(DowningActor.Props(DowningTimes.Of(system.Settings.Config), membership), DowningActor.Name);
        system.ActorOf(FastDown.Props(certificates, membership), "fast-down");
        await _join.JoinAsync(system).ConfigureAwait(false);
        ClusterName.RequireSame(system, settings.Cluster.Name);
        if (roles.Contains(ClusterRoles.Trainer))
            await _join.RequireOnlyTrainerAsync(system).ConfigureAwait(false);
        if (roles.Contains(ClusterRoles.Scheduler))
        {
            system.ActorOf(
                ClusterSingletonManager.Props(
                    SchedulerActor.Props(settings.Scheduler, new SchedulerEpochs(TimeProvider.System), membership),
                    PoisonPill.Instance,
                    ClusterSingletonManagerSettings.Create(system).WithRole(ClusterRoles.Scheduler)),
                "scheduler");
        }
        var scheduler = system.ActorOf(
            ClusterSingletonProxy.Props(
                "/user/scheduler",
                ClusterSingletonProxySettings.Create(system).WithRole(ClusterRoles.Scheduler)),
            ProxyName);
        // Until it has found the scheduler the proxy drops what exceeds its buffer, so nothing is submitted before that.
        if (roles.Contains(ClusterRoles.Trainer) || roles.Contains(ClusterRoles.Client))
            await AskSchedulerAsync(scheduler, settings.Barrier.Timeout).ConfigureAwait(false);
        return new Member(system, membership, scheduler);
    }
}
