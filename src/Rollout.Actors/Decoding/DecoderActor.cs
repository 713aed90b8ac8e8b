using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Allocation;
using Rollout.Actors.Blocks;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>
/// Runs one device's engine on a thread of its own, which it blocks while a step runs. Joining -(UpdateWeights, or
/// nobody trains)-> Serving -(new weights are here)-> FinishingStep -(grant consumed)-> Resetting -(PrefixCacheReset)->
/// Serving; one that shares the trainer's memory: Serving -(Park)-> FinishingStep -> ParkedUntil -(UpdateWeights)->
/// Resetting. The allocator is its child, and either fails with the other.
/// </summary>
public sealed class DecoderActor : ReceiveActor, IWithUnboundedStash, IWithTimers
{
    /// <summary>
    /// How often a decoder announces itself, so that a new scheduler, or one that missed it, learns of it.
    /// </summary>
    private static readonly TimeSpan AnnounceEvery = TimeSpan.FromSeconds(5);

    private readonly DecoderSetup _setup;
    private readonly DecoderSettings _settings;
    private readonly int _incarnation;
    private readonly PolicyFollower _follower;
    private readonly IActorRef _allocator;
    private readonly DecodeEngine _engine;
    private readonly Action<StepDemand> _reserve;
    private readonly SchedulerLink _link;
    private readonly ILoggingAdapter _log = Context.GetLogger();

    public DecoderActor(
        DecoderSetup setup, DecoderSettings settings, int incarnation, IActorRef scheduler, IActorRef barrier)
    {
        _setup = setup;
        _settings = settings;
        _incarnation = incarnation;
        var runner = setup.CreateRunner();
        _follower = new PolicyFollower(setup, incarnation, runner.Version, barrier, Self, _log);
        var ledger = new BlockLedger(runner.Geometry, runner.Version, setup.PrefixCaching)
        {
            Audited = setup.Audited,
        };
        _allocator = Context.ActorOf(
            Akka.Actor.Props.Create(() => new BlockAllocatorActor(ledger)), "blocks");
        var limits = new EngineLimits
        {
            MaxNumSeqs = settings.MaxNumSeqs,
            MaxNumBatchedTokens = settings.MaxNumBatchedTokens,
            MaxModelLength = setup.MaxModelLength,
            MaxStepRetries = settings.MaxStepRetries,
            StaticBatch = setup.StaticBatch,
        };
        _engine = new DecodeEngine(runner, limits, _follower.Policy, setup.Tokenizer)
        {
            StepFailed = fault => _log.Error(fault, "{Decoder}: a step failed", setup.Id),
        };
        if (_engine.Limits.MaxNumSeqs < limits.MaxNumSeqs)
        {
            _log.Warning(
                "{Decoder} runs at most {Fewer} sequences instead of {MaxNumSeqs}: its device can copy only that many blocks in"
                + " one step",
                setup.Id, _engine.Limits.MaxNumSeqs, limits.MaxNumSeqs);
        }
        _reserve = demand => _allocator.Tell(new ReserveBlocks(demand), Self);
        _link = new SchedulerLink(
            setup.Id,
            incarnation,
            new DecoderCapacity(
                _engine.Limits.MaxNumSeqs, runner.Geometry.BlockCount, runner.Geometry.BlockSize, setup.MaxModelLength,
                runner.VocabularySize),
            setup.Fingerprint,
            _engine,
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
        _engine.Dispose();
    }

    /// <summary>
    /// A fault of the allocator fails the decoder, because its block tables can't be trusted any more.
    /// </summary>
    protected override SupervisorStrategy SupervisorStrategy() =>
        new OneForOneStrategy(_ => Directive.Escalate);

    /// <summary>
    /// Before it serves, a decoder asks whether there is a trainer, which then says what to decode with.
    /// </summary>
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
        ReceiveFromScheduler(ReserveNext);
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
        Receive<QueryDecoderStats>(query => Sender.Tell(_engine.ReadStats(query.Reset)));
        Receive<Announce>(_ =>
        {
            TellScheduler();
            if (_follower.Trainer is not null)
                _follower.Join(serving: true);
        });
    }

    /// <summary>Leaves all other messages for the next state that serves.</summary>
    private void Later()
    {
        Receive<Announce>(_ => { });
        ReceiveAny(_ => Stash.Stash());
    }

    private void TellScheduler()
    {
        _link.UsePolicy(
            _follower.Policy ?? throw new InvalidOperationException($"{_setup.Id} has no policy to serve with"));
        _link.Announce();
    }

    /// <summary>
    /// In every state commands are carried out and progress is reported; assigned samples wait until steps run again.
    /// </summary>
    private void ReceiveFromScheduler(Action afterwards)
    {
        Receive<SchedulerHere>(here => _link.FollowScheduler(here, Sender));
        Receive<SchedulerCommand>(command =>
        {
            _link.CarryOut(command);
            afterwards();
        });
        Receive<ReportTaken>(_link.AcknowledgeReport);
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

    /// <summary>Runs the step whose blocks were asked for, and none after it.</summary>
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
        if (_engine.IsDemandOut)
            Become(() => FinishingStep(then));
        else
            then();
    }

    private void EnterParked(Policy until, IActorRef barrier)
    {
        _engine.Sleep();
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
            _follower.Confirm(barrier, _engine.ReadStats(reset: true));
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
        ReserveNext();
    }

    /// <summary>Asks for the next step's blocks, unless that has been done or there is nothing to do.</summary>
    private void ReserveNext()
    {
        if (_engine.Demand() is { } demand)
            _reserve(demand);
    }

    /// <summary>A policy is loaded between two steps; its weights are fetched while steps run.</summary>
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
    /// Between two steps: loads new weights and drops everything computed with the old ones. Samples that require the
    /// old ones are handed back.
    /// </summary>
    private void SwapWeights(Policy policy, IActorRef barrier)
    {
        _link.UsePolicy(policy);
        _follower.Adopt(policy);
        _engine.SwapPolicy(policy);
        _allocator.Tell(new ResetPrefixCache(policy.Version));
        Become(() => Resetting(policy, barrier));
    }

    private void RunStep(StepGrant grant, bool reserveAhead)
    {
        if (grant.Preempted.Length > 0)
        {
            var usage = grant.Usage;
            _log.Info(
                "{Decoder}: out of blocks, {Count} sequences preempted ({Free} free, {Cached} cached, {InUse} of {Total}"
                + " blocks in use)",
                _setup.Id, grant.Preempted.Length, usage.Free, usage.Cached, usage.InUse, usage.Total);
        }
        _engine.Run(grant, reserveAhead ? _reserve : null);
        _link.StepDone(grant.Usage.Total - grant.Usage.InUse);
    }

    private sealed record Announce;

    private sealed record ReportDue;

    private sealed record AnswerDue;
}
