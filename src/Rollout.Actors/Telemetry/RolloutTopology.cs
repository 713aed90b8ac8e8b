using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
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

namespace Rollout.Actors.Telemetry;

/// <summary>
/// The actor tree of one process, built from settings and factories: a cluster member that joins itself, the scheduler
/// as the cluster's singleton, the step barrier, and whatever decoders, rewards and trainer are added.
/// </summary>
public sealed class RolloutTopology : IAsyncDisposable
{
    public const string SystemName = "rollout";

    private readonly RolloutSettings _settings;

    private RolloutTopology(ActorSystem system, RolloutSettings settings, IActorRef scheduler, IActorRef barrier)
    {
        System = system;
        _settings = settings;
        Scheduler = scheduler;
        Barrier = barrier;
    }

    public ActorSystem System { get; }

    /// <summary>The proxy of the cluster's one scheduler.</summary>
    public IActorRef Scheduler { get; }

    public IActorRef Barrier { get; }

    /// <summary>Submits groups from this process.</summary>
    public RolloutClient Client => new(System, Scheduler);

    /// <summary>Starts the actor system, joins the cluster and starts the scheduler and the barrier.</summary>
    /// <param name="settings">The whole configuration.</param>
    /// <param name="akka">The configuration's own akka section in HOCON; wins over the product's.</param>
    /// <param name="version">The policy that decoders start with.</param>
    /// <exception cref="Settings.ConfigurationException">
    /// The akka section or the cluster's address can't be used, or no scheduler was there within the barrier's deadline.
    /// </exception>
    public static async Task<RolloutTopology> StartAsync(RolloutSettings settings, string akka, PolicyVersion version)
    {
        var address = $"{settings.Cluster.Hostname}:{settings.Cluster.Port}";
        ActorSystem? system = null;
        try
        {
            system = ActorSystem.Create(SystemName, WholeConfig(settings, akka));
            return await StartAsync(settings, system, version).ConfigureAwait(false);
        }
        catch (Exception fault)
        {
            if (system is not null)
                await system.Terminate().ConfigureAwait(false);
            throw new Settings.ConfigurationException(
                fault is OperationCanceledException or AskTimeoutException
                    ? $"no scheduler was there at rollout.cluster {address} within {settings.Barrier.Timeout}"
                    : $"rollout.cluster {address} or the akka section can't be used: {fault.GetBaseException().Message}",
                fault);
        }
    }

    private static Config WholeConfig(RolloutSettings settings, string akka) =>
        ConfigurationFactory.ParseString(akka)
            .WithFallback(ClusterAddress(settings.Cluster))
            .WithFallback(ConfigurationFactory.FromResource<RolloutTopology>("akka.conf"))
            .WithFallback(ClusterSingleton.DefaultConfig());

    private static async Task<RolloutTopology> StartAsync(
        RolloutSettings settings, ActorSystem system, PolicyVersion version)
    {
        var cluster = Cluster.Get(system);
        using var deadline = new CancellationTokenSource(settings.Barrier.Timeout);
        await cluster.JoinAsync(cluster.SelfAddress, deadline.Token).ConfigureAwait(false);

        system.ActorOf(
            ClusterSingletonManager.Props(
                SchedulerActor.Props(settings.Scheduler, new SchedulerEpochs(system).Next),
                PoisonPill.Instance,
                ClusterSingletonManagerSettings.Create(system).WithRole("scheduler")),
            "scheduler");
        var scheduler = system.ActorOf(
            ClusterSingletonProxy.Props(
                "/user/scheduler", ClusterSingletonProxySettings.Create(system).WithRole("scheduler")),
            "scheduler-proxy");
        // The proxy drops what exceeds its buffer before it has found the scheduler: nothing is submitted before.
        await scheduler.Ask<SchedulerReport>(new QueryScheduler(), settings.Barrier.Timeout, deadline.Token)
            .ConfigureAwait(false);
        var barrier = system.ActorOf(StepBarrierActor.Props(settings.Barrier, version), "barrier");
        system.ActorOf(MembershipWatch.Props(scheduler, barrier), "membership");
        return new RolloutTopology(system, settings, scheduler, barrier);
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
            new DecoderId(MembershipWatch.HostOf(Cluster.Get(System).SelfUniqueAddress), device),
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

    /// <summary>Leaves the cluster and stops every actor.</summary>
    public async ValueTask DisposeAsync() =>
        await CoordinatedShutdown.Get(System)
            .Run(CoordinatedShutdown.ActorSystemTerminateReason.Instance).ConfigureAwait(false);

    private static Config ClusterAddress(Settings.ClusterSettings cluster) => ConfigurationFactory.ParseString(
        $$"""
        akka.remote.dot-netty.tcp.hostname = "{{cluster.Hostname}}"
        akka.remote.dot-netty.tcp.port = {{cluster.Port}}
        akka.cluster.roles = [{{string.Join(", ", cluster.Roles)}}]
        """);
}
