using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Allocation;
using Rollout.Actors.Batching;
using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;

namespace Rollout.Actors.Decoding;

/// <summary>
/// Owns one device and blocks its own thread while a step runs. Joining -(UpdateWeights, or nobody trains)-> Serving
/// -(new weights are here)-> FinishingStep -(grant consumed)-> Resetting -(PrefixCacheReset)-> Serving; one that shares the
/// trainer's memory: Serving -(Park)-> FinishingStep -> ParkedUntil -(UpdateWeights)-> Resetting. The allocator is its
/// child: the two share their fate.
/// </summary>
public sealed class DecoderActor : ReceiveActor, IWithUnboundedStash, IWithTimers
{
    /// <summary>How often a decoder tells the scheduler that it is there: a new scheduler, or one that missed it, learns so.</summary>
    private static readonly TimeSpan AnnounceEvery = TimeSpan.FromSeconds(5);

    private readonly DecoderSetup _setup;
    private readonly DecoderSettings _settings;
    private readonly int _incarnation;
    private readonly IModelRunner _runner;
    private readonly PolicyFollower _follower;
    private readonly IActorRef _allocator;
    private readonly StepPlanner _planner;
    private readonly StepLoop _steps;
    private readonly SchedulerLink _link;
    private readonly ILoggingAdapter _log = Context.GetLogger();

    public DecoderActor(
        DecoderSetup setup, DecoderSettings settings, int incarnation, IActorRef scheduler, IActorRef barrier)
    {
        _setup = setup;
        _settings = settings;
        _incarnation = incarnation;
        _runner = setup.CreateRunner();
        _follower = new PolicyFollower(setup, incarnation, _runner.Version, barrier, Self, _log);
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
        _steps = new StepLoop(setup.Id, _runner, _planner, _follower, _allocator, Self, _log);
        _link = new SchedulerLink(
            setup.Id,
            incarnation,
            new DecoderCapacity(
                settings.MaxNumSeqs, _runner.Geometry.BlockCount, _runner.Geometry.BlockSize, setup.MaxModelLength,
                _runner.VocabularySize),
            setup.Fingerprint,
            _planner,
            Self,
            scheduler,
            every => Timers.StartPeriodicTimer(nameof(ReportDue), new ReportDue(), every),
            after => Timers.StartSingleTimer(nameof(AnswerDue), new AnswerDue(), after));
        if (_follower.IsAlone)
            Serving();
        else
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
        if (_follower.IsAlone)
            TellScheduler();
        _follower.Join(serving: _follower.IsAlone);
        Timers.StartPeriodicTimer(nameof(Announce), new Announce(), AnnounceEvery);
    }

    protected override void PostStop()
    {
        _follower.Dispose();
        _runner.Dispose();
    }

    /// <summary>A fault of the allocator is the decoder's: block tables that threw are not trusted.</summary>
    protected override SupervisorStrategy SupervisorStrategy() =>
        new OneForOneStrategy(_ => Directive.Escalate);

    /// <summary>Who trains, if anybody, decides what it decodes with.</summary>
    private void Joining()
    {
        Receive<TrainerIs>(said =>
        {
            if (_follower.Follow(said.Trainer))
                _follower.Join(serving: false);
            else if (said.Trainer is null && _follower.Policy is not null)
                Serve();
        });
        ReceivePolicies();
        Receive<Announce>(_ => _follower.Join(serving: false));
        ReceiveFromScheduler(() => { });
        Later();
    }

    private void Serving()
    {
        ReceiveFromScheduler(_steps.Advance);
        Receive<BlocksReserved>(reserved => RunStep(reserved.Grant, reserveAhead: true));
        Receive<Park>(park =>
        {
            var barrier = Sender;
            FinishStepThen(() => EnterParked(park.Until, barrier));
        });
        Receive<TrainerIs>(said =>
        {
            if (_follower.Follow(said.Trainer))
                _follower.Join(serving: true);
        });
        ReceivePolicies();
        Receive<QueryDecoderStats>(query => Sender.Tell(_steps.Counts(query.Reset)));
        Receive<Announce>(_ =>
        {
            TellScheduler();
            if (_follower.Trainer is not null)
                _follower.Join(serving: true);
        });
    }

    /// <summary>What a state that serves nobody leaves for the next one that does.</summary>
    private void Later()
    {
        Receive<Announce>(_ => { });
        ReceiveAny(_ => Stash.Stash());
    }

    private void TellScheduler()
    {
        _link.Take(_follower.Policy ?? throw new InvalidOperationException($"{_setup.Id} has no policy to serve with"));
        _link.Announce();
    }

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
        Receive<AnswerDue>(_ => _link.CheckAnswer());
        Receive<DecoderRefused>(refused =>
        {
            if (!_link.Obeys(refused))
                return;
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
    private void FinishingStep(Action then)
    {
        Receive<BlocksReserved>(reserved =>
        {
            RunStep(reserved.Grant, reserveAhead: false);
            then();
        });
        ReceiveFromScheduler(() => { });
        Later();
    }

    private void FinishStepThen(Action then)
    {
        if (_steps.IsDemandOut)
            Become(() => FinishingStep(then));
        else
            then();
    }

    private void EnterParked(Policy until, IActorRef barrier)
    {
        _steps.RestIfIdle();
        _runner.Sleep();
        barrier.Tell(new Parked(_setup.Id, until));
        Become(() => ParkedUntil(until));
    }

    private void ParkedUntil(Policy next)
    {
        Receive<UpdateWeights>(
            update => update.Trainer == _follower.Trainer && update.Policy.Run == next.Run
                && update.Policy.Version.Value >= next.Version.Value,
            update => SwapWeights(update.Policy, Sender));
        Receive<Park>(park => Sender.Tell(new Parked(_setup.Id, park.Until)));
        ReceiveFromScheduler(() => { });
        Later();
    }

    private void Resetting(Policy policy, IActorRef barrier)
    {
        Receive<PrefixCacheReset>(reset => reset.Version == policy.Version, _ =>
        {
            _follower.Confirm(barrier, _steps.Counts(reset: true));
            Serve();
        });
        ReceiveFromScheduler(() => { });
        Later();
    }

    private void Serve()
    {
        TellScheduler();
        Become(Serving);
        Stash.UnstashAll();
        _steps.Advance();
    }

    /// <summary>A policy is taken between two steps; what has to be fetched for it is fetched beside the steps.</summary>
    private void ReceivePolicies()
    {
        Receive<UpdateWeights>(update =>
        {
            var barrier = Sender;
            if (_follower.Consider(update, barrier))
                FinishStepThen(() => SwapWeights(update.Policy, barrier));
        });
        Receive<FetchEnded>(ended =>
        {
            if (_follower.IsReady(ended))
                FinishStepThen(() => SwapWeights(ended.Fetch.Policy, ended.Fetch.Barrier));
        });
    }

    /// <summary>
    /// Between two steps: new weights, nothing computed with the old ones is used again, and who requires the old ones goes
    /// on elsewhere.
    /// </summary>
    private void SwapWeights(Policy policy, IActorRef barrier)
    {
        _link.Take(policy);
        _planner.RequeueAll();
        _follower.Adopt(policy);
        _runner.LoadWeights(policy.Version);
        _runner.Wake();
        _allocator.Tell(new ResetPrefixCache(policy.Version));
        Become(() => Resetting(policy, barrier));
    }

    private void RunStep(StepGrant grant, bool reserveAhead)
    {
        _steps.Run(grant, reserveAhead);
        _link.StepDone(grant.Usage.Total - grant.Usage.InUse);
        if (reserveAhead)
            _steps.Advance();
        _steps.RestIfIdle();
    }

    private sealed record Announce;

    private sealed record ReportDue;

    private sealed record AnswerDue;
}
