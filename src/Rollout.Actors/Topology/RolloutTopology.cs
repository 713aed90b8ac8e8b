using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Barrier;
using Rollout.Actors.Client;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Rewards;
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
    private readonly string _fingerprint;
    private readonly IActorRef _membership;
    private readonly IActorRef _lastDecoderWatch;
    private readonly IActorRef _barrierProxy;
    private readonly ShutdownTasks _shutdown;
    private IActorRef? _trainer;
    private long _checkpointBytes;      // 0 until the trainer is built
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _whyFailed;

    private RolloutTopology(
        MemberStart.Member member,
        RolloutSettings settings,
        string fingerprint,
        ClusterCertificates? certificates)
    {
        System = member.System;
        Scheduler = member.Scheduler;
        _membership = member.Membership;
        _settings = settings;
        _fingerprint = fingerprint;
        Certificates = certificates;
        _shutdown = new ShutdownTasks(System, WhyEnded);
        _barrierProxy = System.ActorOf(
            BarrierProxy.Props(_membership, trainer => Hosts.Find(System, trainer, BarrierProxy.BarrierName)),
            "barrier-proxy");
        _lastDecoderWatch = System.ActorOf(LastDecoderWatch.Props(Fail), "last-decoder-watch");
        if (!settings.Cluster.Roles.Contains(ClusterRoles.Scheduler))
        {
            System.ActorOf(
                SchedulerWatch.Props(_membership, settings.Cluster.SchedulerTimeout, Abandon), "scheduler-watch");
        }
        else
        {
            var scheduler = System.ActorSelection("/user/scheduler/singleton");
            System.ActorOf(
                SchedulerProbe.Props(scheduler, settings.Cluster.SchedulerTimeout, GiveRoleUp), "scheduler-probe");
        }
    }

    public ActorSystem System { get; }

    /// <summary>The certificate and check of this process's connections outside of Akka; null without TLS.</summary>
    public ClusterCertificates? Certificates { get; }

    /// <summary>Where other members reach this one.</summary>
    public NodeAddress Address => Hosts.AddressOf(Cluster.Get(System).SelfAddress);

    /// <summary>The proxy of the cluster's one scheduler.</summary>
    public IActorRef Scheduler { get; }

    /// <summary>A member trains: decoders have its weights, or soon will.</summary>
    public bool HasTrainer => Cluster.Get(System).State.Members.Any(member => member.HasRole(ClusterRoles.Trainer));

    /// <summary>Submits groups from this process.</summary>
    public RolloutClient Client => new(System, Scheduler);

    /// <summary>
    /// Starts the actor system, joins the cluster and starts the actors of the process's roles. A process that is downed before
    /// that is done, for example because it joined through a scheduler that is itself being downed, starts over at once.
    /// </summary>
    /// <param name="settings">The whole configuration.</param>
    /// <param name="akka">The configuration's own akka section in HOCON; wins over the product's.</param>
    /// <param name="fingerprint">The fingerprint of the decoders' model and tokenizer, equal in the whole cluster.</param>
    /// <param name="say">Told a line for each member that comes or goes; null if nobody reads it.</param>
    /// <param name="waits">
    /// Wait for seed nodes that don't answer, whatever the roles; otherwise a trainer or client fails at once.
    /// </param>
    /// <param name="stop">Ends the start.</param>
    /// <exception cref="OperationCanceledException">It was stopped before it had joined.</exception>
    /// <exception cref="ConfigurationException">The address, the certificates or the akka section can't be used.</exception>
    /// <exception cref="MembershipException">
    /// The cluster did not let this process join in time, or no scheduler was there within the barrier's deadline.
    /// </exception>
    public static async Task<RolloutTopology> StartAsync(
        RolloutSettings settings,
        string akka,
        string fingerprint = "",
        Action<string>? say = null,
        bool waits = false,
        CancellationToken stop = default)
    {
        var certificates = ClusterCertificates.Load(settings.Cluster.Tls);
        try
        {
            var member = await new MemberStart(settings, certificates, akka, say, waits).RunAsync(stop).ConfigureAwait(false);
            return new RolloutTopology(member, settings, fingerprint, certificates);
        }
        catch (Exception)
        {
            certificates?.Dispose();
            throw;
        }
    }

    /// <summary>Adds a decoder with its allocator.</summary>
    /// <param name="device">Its device, for names and messages.</param>
    /// <param name="createRunner">See <see cref="DecoderSetup"/>.</param>
    /// <param name="maxModelLength">The most tokens of a sequence.</param>
    /// <param name="weights">Where its weights come from.</param>
    /// <param name="tokenizer">The model's, where groups may have stop texts.</param>
    /// <param name="decodersOfHost">How many are added in all.</param>
    /// <returns>Its supervisor, which answers <see cref="QueryDecoderStats"/>.</returns>
    public IActorRef AddDecoder(
        string device,
        Func<IModelRunner> createRunner,
        int maxModelLength,
        PolicySource weights,
        HuggingFaceTokenizer? tokenizer = null,
        int decodersOfHost = 1)
    {
        var setup = new DecoderSetup(
            new DecoderId(Hosts.IdOf(Cluster.Get(System).SelfUniqueAddress), device),
            createRunner,
            maxModelLength,
            StaticBatch: _settings.Engine == CacheEngine.Contiguous,
            PrefixCaching: _settings.Engine == CacheEngine.Paged && _settings.Blocks.PrefixCaching,
            weights,
            tokenizer)
        {
            Fingerprint = _fingerprint,
            DecodersOfHost = decodersOfHost,
        };
        // First: it may be lost as soon as it is there.
        _lastDecoderWatch.Tell(setup.Id);
        var decoder = System.ActorOf(
            DecoderSupervisor.Props(setup, _settings.Decoder, Scheduler, _barrierProxy),
            $"decoder-{device.Replace(':', '-')}");
        _shutdown.AddDrain(device, decoder);
        return decoder;
    }

    /// <summary>Adds the step barrier, the rewards and the trainer.</summary>
    /// <param name="job">What to train on.</param>
    /// <param name="version">The policy at the start.</param>
    /// <param name="createTrainer">See <see cref="TrainerSetup"/>.</param>
    /// <param name="tokenizer">Turns completions into texts for the reward.</param>
    /// <param name="rewards">Score them. They must outlive the topology.</param>
    /// <param name="publisher">Offers the weights to decoders of other processes; null if there are none.</param>
    public TrainingClient AddTrainer(
        TrainingJob job,
        PolicyVersion version,
        Func<IPolicyTrainer> createTrainer,
        ITokenizer tokenizer,
        RewardSet rewards,
        IWeightPublisher? publisher = null)
    {
        var policy = new Policy(Random.Shared.NextInt64(1, long.MaxValue), version);
        var barrier = AddBarrier(policy, publisher);
        var scorer = System.ActorOf(RewardActor.Props(tokenizer, rewards, job.Train.RewardLimits), "rewards");
        var trainer = System.ActorOf(
            TrainerActor.Props(new TrainerSetup(job, CreateTrainer, policy.Run, publisher), Scheduler, scorer, barrier),
            "trainer");
        _trainer = trainer;
        var training = new TrainingClient(System, trainer);
        _shutdown.AddSave(training, () => Volatile.Read(ref _checkpointBytes));
        return training;

        IPolicyTrainer CreateTrainer()
        {
            var created = createTrainer();
            Volatile.Write(ref _checkpointBytes, created.CheckpointBytes);
            return created;
        }
    }

    /// <summary>Adds the step barrier and a policy keeper, in place of a trainer.</summary>
    /// <param name="version">The weights at the start.</param>
    /// <param name="load">See <see cref="PolicyKeeperActor"/>.</param>
    public PolicyClient AddPolicyKeeper(PolicyVersion version, Func<string, PolicyVersion, Task> load)
    {
        var policy = new Policy(Random.Shared.NextInt64(1, long.MaxValue), version);
        return new PolicyClient(System.ActorOf(
            PolicyKeeperActor.Props(policy, AddBarrier(policy, publisher: null), load), "policy-keeper"));
    }

    /// <summary>The scheduler's report, when there is a decoder.</summary>
    /// <exception cref="MembershipException">None came within the deadline of joining.</exception>
    public async Task<SchedulerReport> WaitForDecodersAsync(CancellationToken cancellation)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var report = await MemberStart.AskSchedulerAsync(Scheduler, _settings.Barrier.Timeout).ConfigureAwait(false);
            if (report.Decoders > 0)
                return report;
            if (TimeProvider.System.GetElapsedTime(started) > _settings.Cluster.JoinTimeout)
            {
                throw new MembershipException(
                    $"no decoder was in the cluster within {_settings.Cluster.JoinTimeout.TotalSeconds:0.#} s: expected a"
                    + $" member with the role {ClusterRoles.Decoder}");
            }
            await Task.Delay(TimeSpan.FromMilliseconds(250), cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Returns when <paramref name="stop"/> is cancelled, with null, or before that when this process is of no more use
    /// to the cluster, with the reason in a sentence.
    /// </summary>
    public async Task<string?> RunUntilAsync(CancellationToken stop)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = stop.Register(stopped.SetResult);
        var first = await Task.WhenAny(stopped.Task, _failed.Task, System.WhenTerminated).ConfigureAwait(false);
        return first == stopped.Task ? null
            : first == _failed.Task ? await _failed.Task.ConfigureAwait(false)
            : WhyEnded() ?? "the actor system stopped";
    }

    /// <summary>
    /// Why this process is of no more use to its cluster, or the cluster to it, as a sentence; null while they are, and
    /// after it left by itself.
    /// </summary>
    public string? WhyEnded() => _whyFailed is { } reason
        ? reason
        : MemberStart.IsDowned(System)
        ? $"the cluster gave up {Address}: the schedulers that go on could not reach it, or it could not reach most of them"
        : null;

    /// <summary>Hands back the work of this process's decoders, leaves the cluster and stops every actor.</summary>
    public async ValueTask DisposeAsync()
    {
        await MemberStart.LeaveAsync(System).ConfigureAwait(false);
        Certificates?.Dispose();
    }

    private IActorRef AddBarrier(Policy policy, IWeightPublisher? publisher)
    {
        var barrier = System.ActorOf(
            StepBarrierActor.Props(
                _settings.Barrier,
                Hosts.IdOf(Cluster.Get(System).SelfUniqueAddress),
                policy,
                publisher?.Publish(policy),
                _membership),
            BarrierProxy.BarrierName);
        _barrierProxy.Tell(new LookForBarrier());
        return barrier;
    }

    private void Fail(string reason)
    {
        _whyFailed ??= reason;
        _failed.TrySetResult(reason);
    }

    /// <summary>The cluster can no longer answer. A trainer saves what it has learnt; all else ends with the actor system.</summary>
    private void Abandon(string reason)
    {
        Fail(reason);
        if (_trainer is { } trainer)
            trainer.Tell(new AbandonTraining(reason));
        else
            _ = MemberStart.LeaveAsync(System);
    }

    /// <summary>
    /// This process's scheduler is stuck. A process that leaves hands its role over, which a stuck scheduler can't: the
    /// process has itself downed, and another one takes the role.
    /// </summary>
    private void GiveRoleUp(string reason)
    {
        Fail(reason);
        var cluster = Cluster.Get(System);
        cluster.Down(cluster.SelfAddress);
    }
}
