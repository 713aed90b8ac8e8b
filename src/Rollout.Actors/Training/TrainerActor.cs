using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Client;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Training;

/// <summary>
/// Drives a <see cref="TrainingRun"/> on a thread of its own. Idle -(StartTraining)-> Collecting -(all scored)->
/// Parking -(AllParked: trains)-> Updating -(StepOpened)-> Collecting … -> Refusing. Collecting gathers the groups of a
/// step or of an evaluation. The actor blocks while it trains: the decoders that share its weights are parked.
/// TrainerActor.Update.cs has what follows.
/// </summary>
public sealed partial class TrainerActor : ReceiveActor, IWithTimers
{
    private readonly TrainingJob _job;
    private readonly TrainingRun? _run;     // null if the trainer could not be built
    private readonly IActorRef _scheduler;
    private readonly IActorRef _rewards;
    private readonly IActorRef _barrier;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private IActorRef _observer = ActorRefs.Nobody;

    /// <param name="setup">What it trains, and on what.</param>
    /// <param name="scheduler">Takes groups.</param>
    /// <param name="rewards">Scores them.</param>
    /// <param name="barrier">Parks decoders and opens steps.</param>
    public TrainerActor(TrainerSetup setup, IActorRef scheduler, IActorRef rewards, IActorRef barrier)
    {
        (_job, _scheduler, _rewards, _barrier) = (setup.Job, scheduler, rewards, barrier);
        try
        {
            _run = new TrainingRun(setup, setup.CreateTrainer(), TimeProvider.System);
            Idle(_run);
        }
        catch (Exception fault)
        {
            _log.Error(fault, "the trainer could not be built");
            Refusing(fault.Message);
        }
    }

    public static Props Props(TrainerSetup setup, IActorRef scheduler, IActorRef rewards, IActorRef barrier) =>
        Akka.Actor.Props.Create(() => new TrainerActor(setup, scheduler, rewards, barrier))
            .WithDispatcher("rollout-device-dispatcher");

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PostStop() => _run?.Dispose();

    /// <summary>
    /// A fault of the trainer, the data or the disk ends the run with its message. Nothing restarts a trainer half way: it
    /// saves, the observer is told, and a resumed run continues.
    /// </summary>
    protected override bool AroundReceive(Receive receive, object message)
    {
        try
        {
            return base.AroundReceive(receive, message);
        }
        catch (Exception fault) when (_run is not null)
        {
            _log.Error(fault, "{Phase} failed", _run.Phase);
            End(_run, $"{_run.Phase}: {fault.Message}");
            return true;
        }
    }

    private void Idle(TrainingRun run)
    {
        Receive<StartTraining>(start =>
        {
            _observer = start.Observer;
            run.Begin(start.From);
            if (run.EvaluatesFirst)
                Evaluate(run, evaluation => Start(run, evaluation));
            else
                Start(run, null);
        });
        Receive<StopTraining>(_ => { });
    }

    private void Start(TrainingRun run, Evaluation? evaluation)
    {
        _observer.Tell(new TrainingStarted(evaluation));
        GoOn(run, evaluation?.Accuracy);
    }

    /// <summary>Begins the next training step, or ends the run.</summary>
    private void GoOn(TrainingRun run, double? accuracy)
    {
        if (run.IsOver(accuracy))
            End(run, null);
        else
            Collect(run, run.BeginStep(), round => Park(run, round));
    }

    private void Evaluate(TrainingRun run, Action<Evaluation> then) =>
        Collect(run, run.BeginEvaluation(), round => then(run.Evaluate(round.Groups)));

    /// <summary>Submits a round of groups; when each is scored or has failed, the round is complete.</summary>
    private void Collect(TrainingRun run, RoundPlan plan, Action<RolloutRound> complete)
    {
        var round = new RolloutRound(
            plan, _scheduler, _rewards, run.Policy, _job.Sampling.MaxTokens, TimeProvider.System);
        round.Submitter.Start(Timers);
        Become(() => Collecting(run, round, complete));
        DrawOrComplete(round, complete);
    }

    /// <summary>Groups come in any order; each is scored as soon as it is there.</summary>
    private void Collecting(TrainingRun run, RolloutRound round, Action<RolloutRound> complete)
    {
        Receive<IClientMessage>(message =>
        {
            if (round.Receive(message) is not { } failed)
                return;
            Fail(round, failed);
            DrawOrComplete(round, complete);
        });
        Receive<GroupScored>(scored =>
        {
            round.AddRewards(scored);
            DrawOrComplete(round, complete);
        });
        Receive<ScoringFailed>(failed =>
        {
            Fail(round, new GroupFailed(failed.Id, failed.Reason));
            DrawOrComplete(round, complete);
        });
        Receive<Submitter.Tick>(_ =>
        {
            round.Submitter.AskAgain();
            if (round.Submitter.QuietTime < _job.Train.StepTimeout)
                return;
            round.Submitter.Close();
            End(run, $"{run.Phase}: no token and no reward came for {_job.Train.StepTimeout}: "
                + string.Join(", ", round.Groups.Open));
        });
        Underway(run, round);
    }

    /// <summary>One warning a round: a fault of the data or of a reward is often that of all groups.</summary>
    private void Fail(RolloutRound round, GroupFailed failed)
    {
        if (round.Groups.Failed.Any())
            _log.Debug("{Group} failed: {Reason}", failed.Id, failed.Reason);
        else
            _log.Warning("{Group} failed: {Reason}; others of this round are counted only", failed.Id, failed.Reason);
        round.Groups.Fail(failed.Id, failed.Reason);
    }

    private void DrawOrComplete(RolloutRound round, Action<RolloutRound> complete)
    {
        foreach (var failed in round.Draw())
            Fail(round, failed);
        if (!round.Groups.IsComplete)
            return;
        round.Submitter.Close();
        complete(round);
    }

    private void Park(TrainingRun run, RolloutRound round)
    {
        if (run.Shortfall.WhyNothing(round.Groups) is { } why)
        {
            End(run, $"{run.Phase}: {why}");
            return;
        }
        if (run.Shortfall.WhyFew(round.Groups) is { } few)
            _log.Warning("{Phase} {Few}", run.Phase, few);
        var rolloutSeconds = round.Seconds;
        _barrier.Tell(new ParkAll(run.NextPolicy));
        Become(() => Parking(run, round, rolloutSeconds));
    }

    private void Parking(TrainingRun run, RolloutRound round, double rolloutSeconds)
    {
        Receive<AllParked>(parked => parked.Next == run.NextPolicy, _ =>
        {
            Timers.Cancel(nameof(BarrierSilent));
            var update = run.Train(round.Groups, rolloutSeconds);
            foreach (var skipped in run.SkippedUpdates)
                _log.Warning("training step {Step} skipped an update: {Reason}", run.Policy.Version.Value, skipped);
            if (run.WhyOver is { } why)
            {
                End(run, $"training step {run.Policy.Version.Value}: {why}");
                return;
            }
            _barrier.Tell(update);
            Become(() => Updating(run, round));
        });
        AwaitBarrier(run, round);
    }

    /// <summary>What every state of a run has in common. Late answers change nothing.</summary>
    private void Underway(TrainingRun run, RolloutRound round)
    {
        Receive<StopTraining>(_ => run.RequestStop());
        Receive<OutcomesKept>(kept => round.Receive(kept));
        Receive<AbandonTraining>(abandon => End(run, $"{run.Phase}: {abandon.Reason}"));
        Receive<StartTraining>(start => Refuse(start, "a run is under way"));
        ReceiveAny(_ => { });
    }
}
