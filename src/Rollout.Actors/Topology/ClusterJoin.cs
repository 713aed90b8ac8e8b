using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Settings;
using ClusterSettings = Rollout.Actors.Settings.ClusterSettings;

namespace Rollout.Actors.Topology;

/// <summary>Makes this process a member: of the cluster of its seed nodes, or of one of its own.</summary>
/// <param name="settings">The section cluster.</param>
/// <param name="certificates">This member's; null without TLS.</param>
/// <param name="say">Told which seed nodes it waits for; null if nobody reads it.</param>
/// <param name="waits">Whether to wait for seed nodes that don't run yet, whatever the roles.</param>
internal sealed class ClusterJoin(
    ClusterSettings settings, ClusterCertificates? certificates, Action<string>? say, bool waits = false)
{
    private static readonly TimeSpan TrainerGrace = TimeSpan.FromSeconds(3);

    /// <summary>A join that takes longer than this has a reason, which is then looked for.</summary>
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(8);

    /// <summary>Akka's own default of akka.remote.startup-timeout.</summary>
    private static readonly TimeSpan TransportTime = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Starts the actor system and opens its port, without joining a cluster.</summary>
    /// <exception cref="ConfigurationException">The address or the akka section can't be used.</exception>
    /// <exception cref="MembershipException">It took too long.</exception>
    public async Task<ActorSystem> OpenAsync(string akka)
    {
        try
        {
            var config = ClusterConfiguration.Of(settings, akka);
            await RequireFreeAsync(ClusterConfiguration.ListeningAt(config)).ConfigureAwait(false);
            // Akka waits for ever where its transport fails to start.
            var setup = ClusterConfiguration.Setup(config, certificates);
            var deadline = settings.JoinTimeout + config.GetTimeSpan("akka.remote.startup-timeout", TransportTime);
            return await Task.Run(() => ActorSystem.Create(RolloutTopology.SystemName, setup))
                .WaitAsync(deadline).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault.GetBaseException() is AskTimeoutException or TimeoutException)
        {
            // The process was stopped meanwhile, or starved of time, or its akka section names a part that isn't there.
            throw new MembershipException(
                "this process could not open its port within akka.remote.startup-timeout and rollout.cluster.join-timeout:"
                + " check its akka section, if it has one",
                fault);
        }
        catch (Exception fault) when (fault is not ConfigurationException)
        {
            throw new ConfigurationException(
                $"rollout.cluster {settings.Address} or the akka section can't be used: {fault.GetBaseException().Message}",
                fault);
        }
    }

    /// <summary>Returns when this process is up and sees the other members.</summary>
    /// <exception cref="ConfigurationException">No seed node runs, or they disagree with this process about TLS.</exception>
    /// <exception cref="MembershipException">
    /// The seed nodes did not let this process join in time, or don't answer. For a host also when no seed node runs.
    /// </exception>
    public async Task JoinAsync(ActorSystem system)
    {
        await EnterAsync(system).ConfigureAwait(false);
        // Akka's view of the cluster lags behind its events.
        var cluster = Cluster.Get(system);
        while (!IsSeen(cluster) && !system.WhenTerminated.IsCompleted)
            await Task.Delay(Pause).ConfigureAwait(false);
    }

    /// <summary>
    /// Returns when this member is the cluster's only trainer. It waits until an unreachable one is downed: the run that is
    /// resumed may have lost its trainer that way.
    /// </summary>
    /// <exception cref="ConfigurationException">Another one trains.</exception>
    public async Task RequireOnlyTrainerAsync(ActorSystem system)
    {
        var cluster = Cluster.Get(system);
        using var grace = new CancellationTokenSource(TrainerGrace);
        using var deadline = new CancellationTokenSource(settings.JoinTimeout);
        while (OlderTrainer(cluster) is { } other)
        {
            var lost = cluster.State.Unreachable.Any(member => member.UniqueAddress.Equals(other.UniqueAddress));
            if (lost ? deadline.IsCancellationRequested : grace.IsCancellationRequested)
            {
                throw new ConfigurationException(
                    $"{Hosts.AddressOf(other.Address)} trains in this cluster: expected no other member of the role trainer");
            }
            await Task.Delay(Pause).ConfigureAwait(false);
        }
    }

    private static bool IsSeen(Cluster cluster) => cluster.State.Members.Any(member =>
        member.UniqueAddress.Equals(cluster.SelfUniqueAddress) && member.Status != MemberStatus.Joining);

    private async Task EnterAsync(ActorSystem system)
    {
        var cluster = Cluster.Get(system);
        var self = Hosts.AddressOf(cluster.SelfAddress);
        if (settings.SeedNodes.Count == 0)
        {
            using var soon = new CancellationTokenSource(settings.JoinTimeout);
            try
            {
                await cluster.JoinAsync(cluster.SelfAddress, soon.Token).ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is OperationCanceledException or ClusterJoinFailedException)
            {
                throw new MembershipException(
                    $"this process took longer than {settings.JoinTimeout.TotalSeconds:0.###} s (rollout.cluster.join-timeout) to"
                    + " begin a cluster of its own",
                    fault);
            }
            return;
        }
        var probe = new SeedProbe(settings, certificates);
        if (await probe.WhyNotAsync(self, IsPatient, thorough: false).ConfigureAwait(false) is { } why)
            throw new ConfigurationException(why);

        using var deadline = new CancellationTokenSource(settings.JoinTimeout);
        var joining = settings.SeedNodes.Count > 1 && settings.SeedNodes[0] == self
            ? new FirstSeed(settings, probe, say).JoinAsync(system, deadline.Token)
            : cluster.JoinSeedNodesAsync(
                settings.SeedNodes.Select(seed => ClusterConfiguration.ToAkka(seed, settings)), deadline.Token);
        await Task.WhenAny(joining, Task.Delay(settings.JoinTimeout < Usual ? settings.JoinTimeout / 2 : Usual, deadline.Token)).ConfigureAwait(false);
        try
        {
            if (!joining.IsCompleted
                && await probe.WhyNotAsync(self, patient: true, thorough: true).ConfigureAwait(false) is { } misfit)
            {
                throw new ConfigurationException(misfit);
            }
            await joining.ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is OperationCanceledException or ClusterJoinFailedException)
        {
            if (await probe.WhyNotAsync(self, IsPatient, thorough: false).ConfigureAwait(false) is { } reason)
                throw new ConfigurationException(reason, fault);
            // A host may find a seed node the next time, for example when the network is whole again.
            var nobody = await probe.WhyNotAsync(self, patient: false, thorough: false).ConfigureAwait(false);
            throw new MembershipException(
                nobody ?? $"{string.Join(", ", settings.SeedNodes)} (rollout.cluster.seed-nodes) did not let this process join"
                + $" within {settings.JoinTimeout.TotalSeconds:0.#} s",
                fault);
        }
    }

    /// <summary>A trainer or a client needs the others and doesn't wait for them; a host may be the first to start.</summary>
    private bool IsPatient => waits
        || (!settings.Roles.Contains(ClusterRoles.Trainer) && !settings.Roles.Contains(ClusterRoles.Client));

    private static Member? OlderTrainer(Cluster cluster) => cluster.State.Members.FirstOrDefault(member =>
        member.HasRole(ClusterRoles.Trainer)
        && member.Status is MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up
        && !member.UniqueAddress.Equals(cluster.SelfUniqueAddress)
        && member.IsOlderThan(cluster.SelfMember));

    /// <summary>Listens at the address for a moment: Akka's own error for an address that is taken doesn't say so.</summary>
    private async Task RequireFreeAsync((string Host, int Port) at)
    {
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(at.Host).ConfigureAwait(false);
            using var listener = new TcpListener(addresses[0], at.Port);
            listener.Start();
        }
        catch (SocketException fault)
        {
            throw new ConfigurationException(
                fault.SocketErrorCode == SocketError.AddressAlreadyInUse
                    ? $"rollout.cluster.port = {settings.Port}: another process listens at {settings.Address}"
                    : $"rollout.cluster.hostname = \"{settings.Hostname}\": expected an address of this machine",
                fault);
        }
    }
}
