using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Client;
using Rollout.Actors.Collection;
using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>
/// Runs training steps on its own thread. Idle -(StartTraining)-> Evaluating -> Collecting -(all scored)->
/// Parking -(AllParked: trains)-> Updating -(StepOpened)-> Evaluating or Collecting … -> Ended. While it trains it
/// blocks: every decoder of its memory is parked and nothing else is to be done.
/// </summary>
public sealed class TrainerActor : ReceiveActor, IWithTimers
{
    /// <summary>The step barrier says every few seconds whom it waits for: one that is silent for so long is gone.</summary>
    private static readonly TimeSpan BarrierSilence = TimeSpan.FromMinutes(2);

    private readonly TrainingJob _job;
    private readonly TrainedPolicy _policy;
    private readonly IActorRef _scheduler;
    private readonly IActorRef _rewards;
    private readonly IActorRef _barrier;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly TimeProvider _time = TimeProvider.System;
    private IActorRef _observer = ActorRefs.Nobody;
    private RolloutRound _round;
    private TrainingProgress _progress = new(0, 0, 0);
    private (TrainedRound Trained, RolloutRound Round)? _unreported;
    private bool _stopRequested;

    /// <param name="setup">What it trains, and on what.</param>
    /// <param name="scheduler">Takes groups.</param>
    /// <param name="rewards">Scores them.</param>
    /// <param name="barrier">Parks decoders and opens steps.</param>
    public TrainerActor(TrainerSetup setup, IActorRef scheduler, IActorRef rewards, IActorRef barrier)
    {
        _job = setup.Job;
        _scheduler = scheduler;
        _rewards = rewards;
        _barrier = barrier;
        try
        {
            _policy = new TrainedPolicy(setup.CreateTrainer(), setup.Run, setup.Publisher);
            _round = NewRound();
            Idle();
        }
        catch (Exception fault)
        {
            _log.Error(fault, "the trainer could not be built");
            (_policy, _round) = (null!, null!);     // and never used: no run starts
            Receive<StartTraining>(start => Refuse(start, fault.Message));
        }
    }

    public static Props Props(TrainerSetup setup, IActorRef scheduler, IActorRef rewards, IActorRef barrier) =>
        Akka.Actor.Props.Create(() => new TrainerActor(setup, scheduler, rewards, barrier))
            .WithDispatcher("rollout-device-dispatcher");

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PostStop() => _policy?.Dispose();

    /// <summary>Nothing restarts a trainer half way: it saves, the observer is told, and a resumed run continues.</summary>
    protected override void PreRestart(Exception reason, object message)
    {
        End(reason.Message);
        base.PreRestart(reason, message);
    }

    private void Idle()
    {
        Receive<StartTraining>(start => Guarded(() =>
        {
            _observer = start.Observer;
            _progress = start.From;
            if (_progress.Step > 0)
                _policy.LoadedFrom(_job.CheckpointFolder(_progress.Step));
            if (_job.Dataset.HeldOut.Count > 0)
                Evaluate(accuracy => Started(accuracy));
            else
                Started(null);
        }));
        Receive<StopTraining>(_ => { });
    }

    private void Started(double? accuracy)
    {
        _observer.Tell(new TrainingStarted(accuracy));
        Next(accuracy);
    }

    /// <summary>The next training step, or the end of the run.</summary>
    private void Next(double? accuracy)
    {
        var reached = _job.Eval.Target > 0 && accuracy >= _job.Eval.Target;
        if (_stopRequested || reached || _progress.Step >= _job.Train.Steps)
            End(null);
        else
            Collect();
    }

    private void Collect() => Collect(
        Enumerable.Range(0, _job.Train.PromptsPerStep).Select(i => _job.TrainingGroup(_progress.DataCursor + i)), Park);

    private void Evaluate(Action<double> then) => Collect(_job.EvaluationGroups(_progress.Step), () =>
    {
        if (_round.Groups.Scored.Count == 0)
        {
            throw new InvalidOperationException(
                $"all {_round.Groups.Failed.Count()} groups of the evaluation failed, the first with: "
                + _round.Groups.Failed.First().Reason);
        }
        then(_round.Groups.Scored.Average(group => group.Rewards[0] >= _job.Eval.RightAt ? 1.0 : 0.0));
    });

    /// <summary>A round of groups: each is scored, or fails, and then all are complete.</summary>
    private void Collect(IEnumerable<(PromptItem Item, GroupRequest Request)> groups, Action complete)
    {
        _round = NewRound();
        _round.Start(Timers);
        Become(() => Collecting(complete));
        foreach (var group in groups)
        {
            if (_round.Submit(group) is { } failed)
                Fail(failed);
        }
        CompleteIfOver(complete);
    }

    private RolloutRound NewRound() =>
        new(_scheduler, _rewards, _policy.Current, _job.Sampling.MaxTokens, _time);

    /// <summary>Groups come in any order; each is scored as soon as it is there.</summary>
    private void Collecting(Action complete)
    {
        Receive<IClientMessage>(message => Guarded(() =>
        {
            if (_round.Receive(message) is not { } failed)
                return;
            Fail(failed);
            CompleteIfOver(complete);
        }));
        Receive<GroupScored>(scored =>
        {
            _round.Score(scored);
            CompleteIfOver(complete);
        });
        Receive<ScoringFailed>(failed =>
        {
            Fail(new GroupFailed(failed.Id, failed.Reason));
            CompleteIfOver(complete);
        });
        Receive<Submitter.Tick>(_ =>
        {
            _round.AskAgain();
            if (_round.QuietTime < _job.Train.StepTimeout)
                return;
            _round.Close();
            End($"training step {_progress.Step + 1}: no token and no reward came for {_job.Train.StepTimeout}: "
                + string.Join(", ", _round.Groups.Open));
        });
        Underway();
    }

    private void Fail(GroupFailed failed)
    {
        _log.Warning("{Group} failed: {Reason}", failed.Id, failed.Reason);
        _round.Groups.Fail(failed.Id, failed.Reason);
    }

    private void CompleteIfOver(Action complete)
    {
        if (!_round.Groups.IsComplete)
            return;
        _round.Close();
        Guarded(complete);
    }

    /// <summary>What every state of a run has in common: answers that nobody waits for any more change nothing.</summary>
    private void Underway()
    {
        Receive<StopTraining>(_ => _stopRequested = true);
        Receive<OutcomesKept>(kept => _round.Receive(kept));
        Receive<AbandonTraining>(abandon => End($"training step {_progress.Step + 1}: {abandon.Reason}"));
        Receive<StartTraining>(start => Refuse(start, "a run is under way"));
        ReceiveAny(_ => { });
    }

    private void Ended()
    {
        Receive<StartTraining>(start => Refuse(start, "the trainer has ended its run"));
        ReceiveAny(_ => { });
    }

    private static void Refuse(StartTraining start, string reason) =>
        start.Observer.Tell(new TrainingEnded(start.From, null, reason));

    private void Park()
    {
        if (_round.Groups.Scored.Count == 0)
        {
            var first = _round.Groups.Failed.First();
            End($"training step {_progress.Step + 1}: all {_job.Train.PromptsPerStep} groups failed, the first with: "
                + first.Reason);
            return;
        }
        var rolloutSeconds = _round.Seconds;
        _barrier.Tell(new ParkAll(_policy.Next));
        Become(() =>
        {
            Receive<AllParked>(parked => parked.Next == _policy.Next, _ => Guarded(() =>
            {
                Timers.Cancel(nameof(BarrierSilent));
                Train(rolloutSeconds);
            }));
            AwaitBarrier();
        });
    }

    private void Train(double rolloutSeconds)
    {
        var scored = _round.Groups.Scored;
        _unreported = (new TrainedRound
        {
            Train = _policy.Train(StepSummary.ToTrainBatch(scored)),
            Groups = scored,
            FailedGroups = _round.Groups.Failed.Count(),
            RolloutSeconds = rolloutSeconds,
        }, _round);
        _progress = _progress with
        {
            Step = _progress.Step + 1,
            DataCursor = _progress.DataCursor + _job.Train.PromptsPerStep,
        };
        _barrier.Tell(_policy.Publish());
        Become(() =>
        {
            Receive<StepOpened>(opened => opened.Policy == _policy.Current, opened => Guarded(() =>
            {
                Timers.Cancel(nameof(BarrierSilent));
                if (_job.EvaluatesAfter(_progress.Step))
                    Evaluate(accuracy => Finish(opened.Stats, accuracy));
                else
                    Finish(opened.Stats, null);
            }));
            AwaitBarrier();
        });

        void Finish(DecoderStats decode, double? accuracy)
        {
            // First: a run that is killed once its checkpoint is there goes on after this step, and has its record.
            Report(decode, accuracy);
            if (_job.CheckpointEvery > 0 && _progress.Step % _job.CheckpointEvery == 0)
                Save();
            Next(accuracy);
        }
    }

    /// <summary>The barrier has deadlines for whom it waits for; its own silence ends the run.</summary>
    private void AwaitBarrier()
    {
        DecoderId[] missing = [];
        Restart();
        Receive<BarrierWaits>(waits =>
        {
            missing = waits.Missing;
            Restart();
        });
        Receive<BarrierFailed>(failed => End(failed.Reason));
        Receive<BarrierSilent>(_ => End(
            $"the step barrier said nothing for {BarrierSilence}"
            + (missing.Length > 0 ? $"; it waited for {string.Join(", ", missing)}" : "")));
        Underway();

        void Restart() => Timers.StartSingleTimer(nameof(BarrierSilent), new BarrierSilent(), BarrierSilence);
    }

    /// <summary>Tells of the training step that is done, once.</summary>
    private void Report(DecoderStats decode, double? accuracy)
    {
        if (_unreported is not var (trained, round))
            return;
        _unreported = null;
        _observer.Tell(trained.ToReport(_progress.Step, _job.Train.Steps, decode, accuracy, round.Seconds));
    }

    private void Save()
    {
        var folder = _job.CheckpointFolder(_progress.Step);
        if (_policy.Save(folder, _progress))
            _observer.Tell(new CheckpointSaved(_progress.Step, folder));
    }

    /// <summary>Saves what has been learnt, also after an error, unless that left the weights in the middle of a step.</summary>
    private void End(string? error)
    {
        Timers.CancelAll();
        Become(Ended);
        // What the decoders did for it, and how good it is, nobody will say any more.
        Report(DecoderStats.None, null);
        try
        {
            if (_progress.Step > 0 && _policy.IsWhole)
                Save();
        }
        catch (Exception fault)
        {
            error = error is null ? fault.Message : $"{error}; and saving failed: {fault.Message}";
        }
        _observer.Tell(new TrainingEnded(_progress, _policy.LastCheckpoint, error));
    }

    /// <summary>A fault of the trainer, the data or the disk ends the run with its message.</summary>
    private void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (Exception fault)
        {
            _log.Error(fault, "training step {Step} failed", _progress.Step + 1);
            End($"training step {_progress.Step + 1}: {fault.Message}");
        }
    }

    private sealed record BarrierSilent;
}
