using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Blocks;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Decoding;

/// <summary>
/// Runs one device's engine on a thread of its own, which it blocks while a step runs. The allocator is its child, and either
/// fails with the other.
/// <code>
/// Joining -(new weights)-> Resetting -(PrefixCacheReset)-> Serving
/// Joining -(nobody trains, and it has weights)-> Serving
/// Serving -(new weights)-> Resetting
/// Serving -(Park, from a trainer that shares its memory)-> ParkedUntil -(UpdateWeights)-> Resetting
/// </code>
/// A decoder whose weights never change starts in Serving. If a demand is out, FinishingStep comes before Resetting and
/// before ParkedUntil. DecoderActor.Policy.cs has all states but Serving.
/// </summary>
public sealed partial class DecoderActor : ReceiveActor, IWithUnboundedStash, IWithTimers
{
    /// <summary>How often a decoder announces itself, so that a new scheduler, or one that missed it, learns of it.</summary>
    private static readonly TimeSpan AnnounceEvery = TimeSpan.FromSeconds(5);

    private readonly DecoderSetup _setup;
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
        var runner = setup.CreateRunner();
        _follower = new PolicyFollower(setup, incarnation, runner.Version, barrier, Self, _log);
        var ledger = new BlockLedger(runner.Geometry, runner.Version, setup.PrefixCaching)
        {
            Audited = setup.Audited,
        };
        _allocator = Context.ActorOf(
            Akka.Actor.Props.Create(() => new BlockAllocatorActor(ledger)), "blocks");
        _engine = setup.CreateEngine(
            runner, settings, _follower.Policy, fault => _log.Error(fault, "{Decoder}: a step failed", setup.Id));
        if (_engine.Limits.MaxNumSeqs < settings.MaxNumSeqs)
        {
            _log.Warning(
                "{Decoder} runs at most {Fewer} sequences instead of {MaxNumSeqs}: its device can copy only that many blocks in"
                + " one step",
                setup.Id, _engine.Limits.MaxNumSeqs, settings.MaxNumSeqs);
        }
        _reserve = demand => _allocator.Tell(new ReserveBlocks(demand), Self);
        _link = new SchedulerLink(
            setup,
            incarnation,
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

    /// <summary>A fault of the allocator fails the decoder, because its block tables can't be trusted any more.</summary>
    protected override SupervisorStrategy SupervisorStrategy() =>
        new OneForOneStrategy(_ => Directive.Escalate);

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

    private void TellScheduler()
    {
        _link.UsePolicy(
            _follower.Policy ?? throw new InvalidOperationException($"{_setup.Id} has no policy to serve with"));
        _link.Announce();
    }

    /// <summary>In every state commands are carried out and progress is reported; samples wait until steps run again.</summary>
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
        _link.StepDone(grant.Usage.Available);
    }

    private sealed record Announce;

    private sealed record ReportDue;

    private sealed record AnswerDue;
}
