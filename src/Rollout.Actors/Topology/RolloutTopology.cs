using Akka;
using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Tools.Singleton;
using Rollout.Actors.Barrier;
using Rollout.Actors.Client;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Rewards;
using Rollout.Actors.Scheduling;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Topology;

/// <summary>
/// The actor tree of one process, built from settings and factories: a member of the cluster, the scheduler as the
/// cluster's singleton, the step barrier beside the trainer, and whatever decoders, rewards and trainer are added.
/// </summary>
public sealed class RolloutTopology : IAsyncDisposable
{
    public const string SystemName = "rollout";

    private readonly RolloutSettings _settings;
    private readonly ClusterCertificates? _certificates;

    private RolloutTopology(
        ActorSystem system, RolloutSettings settings, ClusterCertificates? certificates, IActorRef scheduler, IActorRef barrier)
    {
        System = system;
        _settings = settings;
        _certificates = certificates;
        Scheduler = scheduler;
        Barrier = barrier;
    }

    public ActorSystem System { get; }

    /// <summary>Where other members reach this one.</summary>
    public NodeAddress Address => Hosts.AddressOf(Cluster.Get(System).SelfAddress);

    /// <summary>The proxy of the cluster's one scheduler.</summary>
    public IActorRef Scheduler { get; }

    public IActorRef Barrier { get; }

    /// <summary>Submits groups from this process.</summary>
    public RolloutClient Client => new(System, Scheduler);

    /// <summary>Starts the actor system, joins the cluster and starts what the process's roles say.</summary>
    /// <param name="settings">The whole configuration.</param>
    /// <param name="akka">The configuration's own akka section in HOCON; wins over the product's.</param>
    /// <param name="version">The policy that decoders start with.</param>
    /// <param name="say">Told a line for each member that comes or goes; null where nobody reads it.</param>
    /// <exception cref="ConfigurationException">
    /// The address, the certificates or the akka section can't be used, the cluster could not be joined, or no scheduler
    /// was there within the barrier's deadline.
    /// </exception>
    public static async Task<RolloutTopology> StartAsync(
        RolloutSettings settings, string akka, PolicyVersion version, Action<string>? say = null)
    {
        var certificates = ClusterCertificates.Load(settings.Cluster.Tls);
        ActorSystem? system = null;
        try
        {
            var join = new ClusterJoin(settings.Cluster, certificates);
            system = join.Open(akka);
            system.ActorOf(FastDown.Props(), "fast-down");
            if (say is not null)
                system.ActorOf(MembershipLog.Props(say), "membership-log");
            await join.JoinAsync(system).ConfigureAwait(false);
            if (settings.Cluster.Roles.Contains(ClusterRoles.Trainer))
                await join.RequireOnlyTrainerAsync(system).ConfigureAwait(false);
            return await StartAsync(settings, system, certificates, version).ConfigureAwait(false);
        }
        catch (Exception)
        {
            if (system is not null)
                await LeaveAsync(system).ConfigureAwait(false);
            certificates?.Dispose();
            throw;
        }
    }

    private static async Task<RolloutTopology> StartAsync(
        RolloutSettings settings, ActorSystem system, ClusterCertificates? certificates, PolicyVersion version)
    {
        var roles = settings.Cluster.Roles;
        if (roles.Contains(ClusterRoles.Scheduler))
        {
            system.ActorOf(
                ClusterSingletonManager.Props(
                    SchedulerActor.Props(settings.Scheduler),
                    PoisonPill.Instance,
                    ClusterSingletonManagerSettings.Create(system).WithRole(ClusterRoles.Scheduler)),
                "scheduler");
        }
        var scheduler = system.ActorOf(
            ClusterSingletonProxy.Props(
                "/user/scheduler",
                ClusterSingletonProxySettings.Create(system).WithRole(ClusterRoles.Scheduler)),
            "scheduler-proxy");
        // The proxy drops what exceeds its buffer before it has found the scheduler: nothing is submitted before.
        if (roles.Contains(ClusterRoles.Trainer) || roles.Contains(ClusterRoles.Client))
            await RequireSchedulerAsync(scheduler, settings.Barrier.Timeout).ConfigureAwait(false);
        var barrier = system.ActorOf(StepBarrierActor.Props(settings.Barrier, version), "barrier");
        system.ActorOf(MembershipWatch.Props(scheduler, barrier), "membership");
        return new RolloutTopology(system, settings, certificates, scheduler, barrier);
    }

    /// <summary>Adds a decoder with its allocator.</summary>
    /// <param name="device">Its device, for names and messages.</param>
    /// <param name="createRunner">See <see cref="DecoderSetup"/>.</param>
    /// <param name="maxModelLength">Tokens of a sequence at most.</param>
    /// <param name="tokenizer">The model's, where groups may have stop texts.</param>
    /// <returns>Its supervisor, which answers <see cref="QueryDecoderStats"/>.</returns>
    public IActorRef AddDecoder(
        string device,
        Func<IModelRunner> createRunner,
        int maxModelLength,
        HuggingFaceTokenizer? tokenizer = null)
    {
        var setup = new DecoderSetup(
            new DecoderId(Hosts.IdOf(Cluster.Get(System).SelfUniqueAddress), device),
            createRunner,
            maxModelLength,
            StaticBatch: _settings.Engine == CacheEngine.Contiguous,
            PrefixCaching: _settings.Engine == CacheEngine.Paged && _settings.Blocks.PrefixCaching,
            Tokenizer: tokenizer);
        return System.ActorOf(
            DecoderSupervisor.Props(setup, _settings.Decoder, Scheduler, Barrier),
            $"decoder-{device.Replace(':', '-')}");
    }

    /// <summary>Adds the rewards and the trainer.</summary>
    public TrainingClient AddTrainer(
        TrainingJob job, Func<IPolicyTrainer> createTrainer, ITokenizer tokenizer, IRewardFunction reward)
    {
        var rewards = System.ActorOf(RewardActor.Props(tokenizer, reward, job.Train.RewardTimeout), "rewards");
        var trainer = System.ActorOf(
            TrainerActor.Props(job, createTrainer, Scheduler, rewards, Barrier), "trainer");
        return new TrainingClient(System, trainer);
    }

    /// <summary>Why this process is a member no more, as a sentence; null while it is one, or after it left by itself.</summary>
    public string? WhyEnded() => CoordinatedShutdown.Get(System).ShutdownReason is CoordinatedShutdown.ClusterDowningReason
        ? $"the cluster gave up {Address}: it was unreachable for too long, or in the smaller part of a divided cluster"
        : null;

    /// <summary>Hands back the work of this process's decoders, leaves the cluster and stops every actor.</summary>
    public async ValueTask DisposeAsync()
    {
        await LeaveAsync(System).ConfigureAwait(false);
        _certificates?.Dispose();
    }

    private static Task<Done> LeaveAsync(ActorSystem system) =>
        CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ActorSystemTerminateReason.Instance);

    private static async Task RequireSchedulerAsync(IActorRef scheduler, TimeSpan deadline)
    {
        try
        {
            await scheduler.Ask<SchedulerReport>(new QueryScheduler(), deadline).ConfigureAwait(false);
        }
        catch (AskTimeoutException fault)
        {
            throw new ConfigurationException(
                $"no scheduler answered within {deadline.TotalSeconds:0.#} s: expected a member with the role"
                + $" {ClusterRoles.Scheduler} in the cluster",
                fault);
        }
    }
}
