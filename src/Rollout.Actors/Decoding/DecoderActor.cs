using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Allocation;
using Rollout.Actors.Batching;
using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;

namespace Rollout.Actors.Decoding;

/// <summary>What a decoder is built from.</summary>
/// <param name="Id">Its host and device.</param>
/// <param name="CreateRunner">Loads the model; called on the decoder's own thread, which alone uses the runner.</param>
/// <param name="MaxModelLength">Tokens of a sequence at most.</param>
/// <param name="StaticBatch">The padded baseline (see <see cref="PlannerLimits.StaticBatch"/>).</param>
/// <param name="PrefixCaching">Prompts may use blocks of earlier prompts that began alike.</param>
/// <param name="Tokenizer">The model's, for stop texts; null where it has none.</param>
public sealed record DecoderSetup(
    DecoderId Id,
    Func<IModelRunner> CreateRunner,
    int MaxModelLength,
    bool StaticBatch,
    bool PrefixCaching,
    HuggingFaceTokenizer? Tokenizer = null)
{
    /// <summary>Check the ledger after every step, and fail on an imbalance; always on in debug builds.</summary>
    public bool Audited { get; init; }

    /// <summary>Of model and tokenizer: decoders and clients of one cluster have the same.</summary>
    public string Fingerprint { get; init; } = "";
}

/// <summary>
/// Owns one device and blocks its own thread while a step runs. Joining -(UpdateWeights)-> Serving -(Park)->
/// Parking -(grant consumed)-> ParkedUntil -(UpdateWeights)-> Resetting -(PrefixCacheReset)-> Serving.
/// The allocator is its child: the two share their fate.
/// </summary>
public sealed class DecoderActor : ReceiveActor, IWithUnboundedStash, IWithTimers
{
    /// <summary>How often a decoder tells the scheduler that it is there: a new scheduler, or one that missed it, learns so.</summary>
    private static readonly TimeSpan AnnounceEvery = TimeSpan.FromSeconds(5);

    private readonly DecoderSetup _setup;
    private readonly DecoderSettings _settings;
    private readonly int _incarnation;
    private readonly IActorRef _barrier;
    private readonly IModelRunner _runner;
    private readonly IActorRef _allocator;
    private readonly StepPlanner _planner;
    private readonly StepClock _clock;
    private readonly SchedulerLink _link;
    private readonly ILoggingAdapter _log = Context.GetLogger();

    public DecoderActor(
        DecoderSetup setup, DecoderSettings settings, int incarnation, IActorRef scheduler, IActorRef barrier)
    {
        _setup = setup;
        _settings = settings;
        _incarnation = incarnation;
        _barrier = barrier;
        _runner = setup.CreateRunner();
        var ledger = new BlockLedger(_runner.Geometry, _runner.Version, setup.PrefixCaching)
        {
            Audited = setup.Audited,
        };
        _allocator = Context.ActorOf(
            Akka.Actor.Props.Create(() => new BlockAllocatorActor(ledger)), "blocks");
        _planner = new StepPlanner(
            new PlannerLimits
            {
                MaxNumSeqs = settings.MaxNumSeqs,
                MaxNumBatchedTokens = settings.MaxNumBatchedTokens,
                MaxModelLength = setup.MaxModelLength,
                MaxStepRetries = settings.MaxStepRetries,
                StaticBatch = setup.StaticBatch,
            },
            _runner.Geometry,
            SamplingRng.SequenceKey,
            setup.Tokenizer);
        _clock = new StepClock(TimeProvider.System, _runner.Geometry.BlockCount);
        _link = new SchedulerLink(
            setup.Id,
            incarnation,
            new DecoderCapacity(settings.MaxNumSeqs, _runner.Geometry.BlockCount, _runner.Geometry.BlockSize),
            setup.Fingerprint,
            _planner,
            Self,
            scheduler,
            every => Timers.StartPeriodicTimer(nameof(ReportDue), new ReportDue(), every));
        Joining();
    }

    public static Props Props(
        DecoderSetup setup, DecoderSettings settings, int incarnation, IActorRef scheduler, IActorRef barrier) =>
        Akka.Actor.Props.Create(() => new DecoderActor(setup, settings, incarnation, scheduler, barrier))
            .WithDispatcher("rollout-device-dispatcher");

    public IStash Stash { get; set; } = null!;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        _barrier.Tell(new JoinBarrier(_setup.Id, _incarnation, Self));
        Timers.StartPeriodicTimer(nameof(Announce), new Announce(), AnnounceEvery);
    }

    protected override void PostStop() => _runner.Dispose();

    /// <summary>A fault of the allocator is the decoder's: block tables that threw are not trusted.</summary>
    protected override SupervisorStrategy SupervisorStrategy() =>
        new OneForOneStrategy(_ => Directive.Escalate);

    private void Joining()
    {
        Receive<UpdateWeights>(update => TakeWeights(update.Version, Sender));
        ReceiveFromScheduler(() => { });
        Later();
    }

    private void Serving()
    {
        ReceiveFromScheduler(Advance);
        Receive<BlocksReserved>(reserved => RunStep(reserved.Grant, reserveAhead: true));
        Receive<Park>(park =>
        {
            var barrier = Sender;
            if (_planner.IsDemandOut)
                Become(() => Parking(park.Until, barrier));
            else
                EnterParked(park.Until, barrier);
        });
        Receive<UpdateWeights>(update => update.Version == _runner.Version, update =>
            Sender.Tell(new WeightsUpdated(_setup.Id, update.Version)));
        Receive<QueryDecoderStats>(query => Sender.Tell(_clock.Read(query.Reset)));
        Receive<Announce>(_ => TellScheduler());
    }

    /// <summary>What a state that serves nobody leaves for the next one that does.</summary>
    private void Later()
    {
        Receive<Announce>(_ => { });
        ReceiveAny(_ => Stash.Stash());
    }

    private void TellScheduler() => _link.Announce(new Policy(0, _runner.Version));

    /// <summary>In every state: what it is assigned waits where nothing may be computed, and what it has done is reported.</summary>
    private void ReceiveFromScheduler(Action afterwards)
    {
        Receive<SchedulerHere>(here => _link.Take(here, Sender));
        Receive<SchedulerCommand>(command =>
        {
            _link.Take(command);
            afterwards();
        });
        Receive<ReportTaken>(_link.Take);
        Receive<ReportDue>(_ => _link.Tick());
        Receive<DecoderRefused>(refused =>
        {
            _log.Error("{Reason}", refused.Reason);
            Context.System.EventStream.Publish(refused);
        });
        Receive<Drain>(_ =>
        {
            _link.Drain(Sender);
            afterwards();
        });
    }

    /// <summary>The step that has been asked for still runs, none after it.</summary>
    private void Parking(PolicyVersion until, IActorRef barrier)
    {
        Receive<BlocksReserved>(reserved =>
        {
            RunStep(reserved.Grant, reserveAhead: false);
            EnterParked(until, barrier);
        });
        ReceiveFromScheduler(() => { });
        Later();
    }

    private void EnterParked(PolicyVersion until, IActorRef barrier)
    {
        _clock.Stop();
        barrier.Tell(new Parked(_setup.Id, until, _clock.Read(reset: true)));
        Become(() => ParkedUntil(until));
    }

    private void ParkedUntil(PolicyVersion version)
    {
        Receive<UpdateWeights>(update => update.Version.Value >= version.Value, update =>
            TakeWeights(update.Version, Sender));
        Receive<Park>(park => Sender.Tell(new Parked(_setup.Id, park.Until, DecoderStats.None)));
        ReceiveFromScheduler(() => { });
        Later();
    }

    private void Resetting(PolicyVersion version, IActorRef barrier)
    {
        Receive<PrefixCacheReset>(reset => reset.Version == version, _ =>
        {
            barrier.Tell(new WeightsUpdated(_setup.Id, version));
            TellScheduler();
            Become(Serving);
            Stash.UnstashAll();
            Advance();
        });
        ReceiveFromScheduler(() => { });
        Later();
    }

    /// <summary>Between two steps: new weights, and nothing computed with the old ones is used again.</summary>
    private void TakeWeights(PolicyVersion version, IActorRef barrier)
    {
        if (version != _runner.Version)
        {
            _planner.RequeueAll();
            _runner.LoadWeights(version);
        }
        _allocator.Tell(new ResetPrefixCache(version));
        Become(() => Resetting(version, barrier));
    }

    /// <summary>Asks for the next step's blocks, unless that has been done or nothing is to do.</summary>
    private void Advance()
    {
        if (_planner.IsDemandOut || !_planner.HasWork)
            return;
        _clock.Start();
        _allocator.Tell(new ReserveBlocks(_planner.Demand(_runner.Version)));
    }

    private void RunStep(StepGrant grant, bool reserveAhead)
    {
        var batch = _planner.Plan(grant);
        _clock.Granted(grant.Usage, grant.Preempted.Length);
        if (grant.Preempted.Length > 0)
            _log.Info("{Decoder} preempted {Count} sequences: {Usage}", _setup.Id, grant.Preempted.Length, grant.Usage);
        if (reserveAhead)
            Advance();
        if (batch.RowCount > 0)
            Start(batch);
        // A step stays under way while another follows it; where nothing was planned, what is under way decides what next.
        var mayStay = batch.RowCount > 0 && reserveAhead && _planner.IsDemandOut ? _runner.StepsAhead - 1 : 0;
        while (_planner.StepsUnderWay > mayStay)
            Finish();
        _link.StepDone(grant.Usage.Total - grant.Usage.InUse);
        if (reserveAhead)
            Advance();
        if (!_planner.IsDemandOut)
            _clock.Stop();
    }

    private void Start(ForwardBatch batch)
    {
        try
        {
            _runner.Start(batch);
        }
        catch (Exception fault) when (fault is not DeviceFaultException)
        {
            // The steps before it are under way and none the worse.
            while (_planner.StepsUnderWay > 1)
                Finish();
            Fail(fault);
        }
    }

    private void Finish()
    {
        try
        {
            var output = _runner.Finish();
            _clock.StepDone(output, _planner.PlannedPrefillTokens);
            _planner.Complete(output, _runner.Version);
        }
        catch (Exception fault) when (fault is not DeviceFaultException)
        {
            Fail(fault);
        }
    }

    private void Fail(Exception fault)
    {
        _log.Error(fault, "{Decoder}: a step failed", _setup.Id);
        _planner.Fail(fault);
        _clock.StepFailed();
    }

    private sealed record Announce;

    private sealed record ReportDue;
}
