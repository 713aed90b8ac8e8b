using Akka.Actor;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Training;

// What follows a training step: decoders get the new weights, the client writes the record, the disk a checkpoint, and the
// run goes on or ends.
public sealed partial class TrainerActor
{
    /// <summary>
    /// The step barrier reports every few seconds what it waits for. A barrier that is silent for so long is gone.
    /// </summary>
    private static readonly TimeSpan BarrierSilence = TimeSpan.FromMinutes(2);

    private void Updating(TrainingRun run, RolloutRound round)
    {
        Receive<StepOpened>(opened => opened.Policy == run.Policy, opened =>
        {
            Timers.Cancel(nameof(BarrierSilent));
            if (run.EvaluatesNow)
                Evaluate(run, evaluation => Finish(run, round, opened.Stats, evaluation));
            else
                Finish(run, round, opened.Stats, null);
        });
        AwaitBarrier(run, round);
    }

    /// <summary>The barrier has deadlines for the decoders; its own silence ends the run.</summary>
    private void AwaitBarrier(TrainingRun run, RolloutRound round)
    {
        DecoderId[] missing = [];
        Restart();
        Receive<BarrierWaits>(waits =>
        {
            missing = waits.Missing;
            Restart();
        });
        Receive<BarrierFailed>(failed => End(run, failed.Reason));
        Receive<BarrierSilent>(_ => End(run, $"the step barrier said nothing for {BarrierSilence}"
            + (missing.Length > 0 ? $"; it waited for {string.Join(", ", missing)}" : "")));
        Underway(run, round);

        void Restart() => Timers.StartSingleTimer(nameof(BarrierSilent), new BarrierSilent(), BarrierSilence);
    }

    /// <summary>
    /// Reports the step, then saves: a run that is killed once its checkpoint is there goes on after this step, and has its
    /// record.
    /// </summary>
    private void Finish(TrainingRun run, RolloutRound round, DecoderStats decode, Evaluation? evaluation)
    {
        if (run.TakeReport(decode, evaluation) is { } report)
            _observer.Tell(report);
        var accuracy = evaluation?.Accuracy;
        if (run.SavesNow(accuracy))
            Become(() => Recording(run, round, accuracy));
        else
            GoOn(run, accuracy);
    }

    /// <summary>Waits until the client has written the report of the step.</summary>
    private void Recording(TrainingRun run, RolloutRound round, double? accuracy)
    {
        Receive<StepRecorded>(recorded => recorded.Step == run.Step, _ =>
        {
            if (run.SaveIfDue(accuracy) is { } saved)
                _observer.Tell(saved);
            GoOn(run, accuracy);
        });
        Underway(run, round);
    }

    private void End(TrainingRun run, string? error)
    {
        Timers.CancelAll();
        Become(() => Refusing("the trainer has ended its run"));
        foreach (var said in run.End(error))
            _observer.Tell(said);
    }

    private void Refusing(string reason)
    {
        Receive<StartTraining>(start => Refuse(start, reason));
        ReceiveAny(_ => { });
    }

    private static void Refuse(StartTraining start, string reason) =>
        start.Observer.Tell(new TrainingEnded(start.From, null, reason));

    private sealed record BarrierSilent;
}
