using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>
/// A training run: its policy, where it stands, and what is to be reported and saved. The trainer's actor drives it
/// from state to state; this class decides what comes next and knows no actor. One thread uses it.
/// </summary>
/// <param name="job">What the run trains on.</param>
/// <param name="policy">What it trains; this object's from here on.</param>
/// <param name="time">Measures the steps.</param>
internal sealed class TrainingRun(TrainingJob job, TrainedPolicy policy, TimeProvider time) : IDisposable
{
    private readonly EvaluationRound _evaluation = new(job);
    private TrainingProgress _progress = new(0, 0, 0);
    private TrainingStepFinished? _unreported;
    private long _stepStarted;
    private bool _stopRequested;

    private DynamicSampling Sampling => job.Train.DynamicSampling;

    public Policy Policy => policy.Current;

    public Policy NextPolicy => policy.Next;

    /// <summary>Finished training steps.</summary>
    public int Step => _progress.Step;

    /// <summary>What the run does just now, as errors name it.</summary>
    public string Phase { get; private set; } = "start of training";

    /// <summary>True if an evaluation comes before the first step, a resumed run's included.</summary>
    public bool EvaluatesFirst => job.EvalSets.Count > 0;

    /// <summary>True if an evaluation follows the step that was trained last.</summary>
    public bool EvaluatesNow => job.EvaluatesAfter(_progress.Step);

    /// <summary>Updates of the step that was trained last that were not made, and why.</summary>
    public IReadOnlyList<string> SkippedUpdates => _unreported?.Train.SkippedUpdates ?? [];

    /// <summary>Why the run can't go on after the step that was trained last; null where it can.</summary>
    public string? WhyOver => _unreported?.Train.WhyOver;

    /// <summary>Starts the run, or continues it after the step of a checkpoint that is there already.</summary>
    public void Begin(TrainingProgress from)
    {
        _progress = from;
        if (from.Step > 0)
            policy.ContinueFrom(job.CheckpointFolder(from.Step));
    }

    /// <summary>Ends the run after the step at hand.</summary>
    public void RequestStop() => _stopRequested = true;

    /// <summary>True if no further step is to be trained.</summary>
    /// <param name="accuracy">The accuracy of the evaluation just before; null without one.</param>
    public bool IsOver(double? accuracy) =>
        _stopRequested || _progress.Step >= job.Train.Steps || (job.Eval.Target > 0 && accuracy >= job.Eval.Target);

    /// <summary>Begins a step. Returns its groups.</summary>
    public RoundPlan BeginStep()
    {
        Phase = $"training step {_progress.Step + 1}";
        _stepStarted = time.GetTimestamp();
        return job.StepPlan(_progress.DataCursor);
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

    /// <summary>Why a step has nothing to train on; null if it has.</summary>
    public string? WhyNothingToTrainOn(RoundGroups groups) => groups switch
    {
        { Scored.Count: > 0 } => null,
        { Dropped.Count: > 0 } => $"none of the {groups.Drawn} groups that it drew has {Sampling.Signal}"
            + $" ({Sampling.Bound}): the prompts are too easy or too hard for this policy",
        _ => groups.WhyAllFailed(),
    };

    /// <summary>Why dynamic sampling left a step with fewer groups than it asks for; null if it did not.</summary>
    public string? WhyFewToTrainOn(RoundGroups groups)
    {
        var (kept, wanted) = (groups.Scored.Count, job.Train.PromptsPerStep);
        return Sampling.Enabled && kept < wanted
            ? $"trains on {kept} of {wanted} groups: no more of the {groups.Drawn} that it drew has {Sampling.Signal}"
                + $" ({Sampling.Bound})"
            : null;
    }

    /// <summary>
    /// Trains on a round of groups; the step after it is the next. Returns what the barrier is to distribute.
    /// </summary>
    public UpdateAll Train(RoundGroups groups, double rolloutSeconds)
    {
        var scored = groups.Scored;
        _unreported = new TrainingStepFinished
        {
            Step = _progress.Step + 1,
            Steps = job.Train.Steps,
            Train = policy.Train(ToTrainBatch(scored)),
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
        return policy.Offer();
    }

    /// <summary>The groups as a batch for the policy trainer.</summary>
    public static TrainBatch ToTrainBatch(IReadOnlyList<ScoredGroup> groups) =>
        new([.. groups.Select(group => new TrainGroup(
            group.Group.Id,
            group.Prompt,
            [.. group.Group.Completions.Select((completion, i) =>
                new TrainCompletion(completion.Tokens, completion.Logprobs, group.Rewards[i])
                {
                    SamplingLogprobs = completion.SamplingLogprobs,
                    Reason = completion.Reason,
                })]))]);

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
    public bool SavesNow(double? accuracy) => IsDue || IsBest(accuracy) || IsOver(accuracy);

    /// <summary>
    /// Writes a checkpoint where one is due after the step that was trained last, or where it is the best. Returns it if it
    /// is new.
    /// </summary>
    /// <param name="accuracy">The accuracy of the evaluation just before; null without one.</param>
    public CheckpointSaved? SaveIfDue(double? accuracy)
    {
        var best = IsBest(accuracy);
        if (best)
            _progress = _progress with { Best = new BestCheckpoint(_progress.Step, accuracy!.Value) };
        return best || IsDue ? Save() : null;
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
        if (SaveLast(ref error) is { } saved)
            yield return saved;
        yield return new TrainingEnded(_progress, policy.LastCheckpoint, error);
    }

    public void Dispose() => policy.Dispose();

    private CheckpointSaved? SaveLast(ref string? error)
    {
        try
        {
            return _progress.Step > 0 && policy.IsWhole ? Save() : null;
        }
        catch (Exception fault)
        {
            // The same error may have come from the checkpoint that was due: it is told once.
            if (error?.EndsWith(fault.Message, StringComparison.Ordinal) != true)
                error = error is null ? fault.Message : $"{error}; and saving failed: {fault.Message}";
            return null;
        }
    }

    private CheckpointSaved? Save()
    {
        Phase = $"checkpoint of training step {_progress.Step}";
        var folder = job.CheckpointFolder(_progress.Step);
        return policy.Save(folder, _progress) ? new CheckpointSaved(_progress.Step, folder, _progress.Best) : null;
    }

    private bool IsDue => job.CheckpointEvery > 0 && _progress.Step % job.CheckpointEvery == 0;

    private bool IsBest(double? accuracy) =>
        job.KeepBest && accuracy is { } reached && !(reached <= _progress.Best?.HeldOutAccuracy);
}
