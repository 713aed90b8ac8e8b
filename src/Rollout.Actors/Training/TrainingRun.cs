using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>
/// A training run: its policy, where it stands, and what is to be reported and saved. The trainer's actor drives it
/// from state to state; this class decides what comes next and knows no actor. One thread uses it.
/// </summary>
/// <param name="setup">What the run trains on, and how its policy is named and offered.</param>
/// <param name="trainer">Trains the policy; this object's from here on.</param>
/// <param name="time">Measures the steps.</param>
internal sealed class TrainingRun(TrainerSetup setup, IPolicyTrainer trainer, TimeProvider time) : IDisposable
{
    private readonly TrainingJob _job = setup.Job;
    private readonly EvaluationRound _evaluation = new(setup.Job);
    private readonly RunCheckpoints _checkpoints = new(setup.Job, trainer);
    private TrainingProgress _progress = new(0, 0, 0);
    private TrainingStepFinished? _unreported;
    private long _stepStarted;
    private bool _stopRequested;

    /// <summary>Says why a step has fewer groups than it asks for.</summary>
    public StepShortfall Shortfall { get; } = new(setup.Job.Train);

    public Policy Policy => new(setup.Run, trainer.Version);

    public Policy NextPolicy => new(setup.Run, trainer.Version.Next());

    /// <summary>Finished training steps.</summary>
    public int Step => _progress.Step;

    /// <summary>What the run does just now, as errors name it.</summary>
    public string Phase { get; private set; } = "start of training";

    /// <summary>True if an evaluation comes before the first step, a resumed run's included.</summary>
    public bool EvaluatesFirst => _job.EvalSets.Count > 0;

    /// <summary>True if an evaluation follows the step that was trained last.</summary>
    public bool EvaluatesNow => _job.EvaluatesAfter(_progress.Step);

    /// <summary>Updates of the step that was trained last that were not made, and why.</summary>
    public IReadOnlyList<string> SkippedUpdates => _unreported?.Train.SkippedUpdates ?? [];

    /// <summary>Why the run can't go on after the step that was trained last; null where it can.</summary>
    public string? WhyOver => _unreported?.Train.WhyOver;

    /// <summary>Starts the run, or continues it after the step of a checkpoint that is there already.</summary>
    public void Begin(TrainingProgress from)
    {
        _progress = from;
        if (from.Step > 0)
            _checkpoints.ContinueFrom(from);
    }

    /// <summary>Ends the run after the step at hand.</summary>
    public void RequestStop() => _stopRequested = true;

    /// <summary>True if no further step is to be trained.</summary>
    /// <param name="accuracy">The accuracy of the evaluation just before; null without one.</param>
    public bool IsOver(double? accuracy) =>
        _stopRequested || _progress.Step >= _job.Train.Steps || (_job.Eval.Target > 0 && accuracy >= _job.Eval.Target);

    /// <summary>Begins a step. Returns its groups.</summary>
    public RoundPlan BeginStep()
    {
        Phase = $"training step {_progress.Step + 1}";
        _stepStarted = time.GetTimestamp();
        return _job.StepPlan(_progress.DataCursor);
    }

    /// <summary>The held-out groups to be decoded with the policy as it is now.</summary>
    public RoundPlan BeginEvaluation()
    {
        Phase = _progress.Step == 0 ? "evaluation before training" : $"evaluation after training step {_progress.Step}";
        return new RoundPlan(_evaluation.Groups(_progress.Step));
    }

    /// <summary>What a round of held-out groups says.</summary>
    /// <exception cref="InvalidOperationException">All groups of a set failed.</exception>
    public Evaluation Evaluate(RoundGroups groups) => _evaluation.Result(groups);

    /// <summary>
    /// Trains on a round of groups; the step after it is the next. Returns what the barrier is to distribute.
    /// </summary>
    public UpdateAll Train(RoundGroups groups, double rolloutSeconds)
    {
        var scored = groups.Scored;
        _unreported = new TrainingStepFinished
        {
            Step = _progress.Step + 1,
            Steps = _job.Train.Steps,
            Train = trainer.Train(new TrainBatch([.. scored.Select(group => group.ToTrainGroup())])),
            Decode = DecoderStats.None,     // until the decoders have the new weights
            FailedGroups = groups.Failed.Count(),
            Dropped = groups.Dropped,
            Groups = scored,
            RolloutSeconds = rolloutSeconds,
            TotalSeconds = 0,
        };
        _progress = _progress with
        {
            Step = _progress.Step + 1,
            DataCursor = _progress.DataCursor + groups.Drawn,
        };
        Phase = $"weight update after training step {_progress.Step}";
        return new UpdateAll(Policy, setup.Publisher?.Publish(Policy));
    }

    /// <summary>The report of the step that was trained last; null if it was reported already.</summary>
    public TrainingStepFinished? TakeReport(DecoderStats decode, Evaluation? evaluation)
    {
        var trained = _unreported;
        _unreported = null;
        return trained is null ? null : trained with
        {
            Decode = decode,
            Evaluation = evaluation,
            TotalSeconds = time.GetElapsedTime(_stepStarted).TotalSeconds,
        };
    }

    /// <summary>True if a checkpoint follows the step that was trained last.</summary>
    /// <param name="accuracy">The accuracy of the evaluation just before; null without one.</param>
    public bool SavesNow(double? accuracy) => _checkpoints.IsDue(_progress, accuracy) || IsOver(accuracy);

    /// <summary>
    /// Writes a checkpoint where one is due after the step that was trained last, or where it is the best. Returns it if it
    /// is new.
    /// </summary>
    /// <param name="accuracy">The accuracy of the evaluation just before; null without one.</param>
    public CheckpointSaved? SaveIfDue(double? accuracy)
    {
        if (!_checkpoints.IsDue(_progress, accuracy))
            return null;
        Phase = $"checkpoint of training step {_progress.Step}";
        _progress = _checkpoints.NoteBest(_progress, accuracy);
        return _checkpoints.Save(_progress);
    }

    /// <summary>
    /// Ends the run: saves what has been learnt, also after an error, unless that left the weights in the middle of an
    /// update.
    /// </summary>
    /// <param name="error">Why the run ends early; null if it ends as planned.</param>
    /// <returns>The events for the observer, in order, each as soon as it has happened.</returns>
    public IEnumerable<object> End(string? error)
    {
        // No decoder statistics and no evaluation will come for the last step.
        if (TakeReport(DecoderStats.None, null) is { } report)
            yield return report;
        if (_checkpoints.SaveLast(_progress, ref error) is { } saved)
            yield return saved;
        yield return new TrainingEnded(_progress, _checkpoints.Last, error);
    }

    public void Dispose() => trainer.Dispose();
}
