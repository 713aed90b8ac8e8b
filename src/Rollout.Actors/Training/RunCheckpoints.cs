using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>The checkpoints of a <see cref="TrainingRun"/>: when one is due, and which is the last.</summary>
/// <param name="job">What the run trains on.</param>
/// <param name="trainer">Writes them.</param>
internal sealed class RunCheckpoints(TrainingJob job, IPolicyTrainer trainer)
{
    /// <summary>
    /// The last checkpoint's folder, which may be the one that the run was resumed from; null before the first.
    /// </summary>
    public string? Last { get; private set; }

    /// <summary>Notes the checkpoint that the run was resumed from, which need not be saved again.</summary>
    public void ContinueFrom(TrainingProgress progress) => Last = job.CheckpointFolder(progress.Step);

    /// <summary>A checkpoint follows this step: it is one of each so many, or the best.</summary>
    /// <param name="progress">Where the run stands.</param>
    /// <param name="accuracy">The accuracy of the evaluation after the step; null without one.</param>
    public bool IsDue(TrainingProgress progress, double? accuracy) =>
        (job.CheckpointEvery > 0 && progress.Step % job.CheckpointEvery == 0) || IsBest(progress, accuracy);

    /// <summary>The progress, with its step as the best one if it is.</summary>
    public TrainingProgress NoteBest(TrainingProgress progress, double? accuracy) => IsBest(progress, accuracy)
        ? progress with { Best = new BestCheckpoint(progress.Step, accuracy!.Value) }
        : progress;

    /// <summary>Writes a checkpoint. Returns null if it is the last one already.</summary>
    public CheckpointSaved? Save(TrainingProgress progress)
    {
        var folder = job.CheckpointFolder(progress.Step);
        if (folder == Last)
            return null;
        trainer.Save(folder, progress);
        Last = folder;
        return new CheckpointSaved(progress.Step, folder, progress.Best);
    }

    /// <summary>
    /// Saves what has been learnt at the end of a run, unless an update was interrupted halfway. If that fails, the reason
    /// is added to the error.
    /// </summary>
    public CheckpointSaved? SaveLast(TrainingProgress progress, ref string? error)
    {
        try
        {
            return progress.Step > 0 && trainer.IsWhole ? Save(progress) : null;
        }
        catch (Exception fault)
        {
            // The same error may have come from the checkpoint that was due: it is told once.
            if (error?.EndsWith(fault.Message, StringComparison.Ordinal) != true)
                error = error is null ? fault.Message : $"{error}; and saving failed: {fault.Message}";
            return null;
        }
    }

    private bool IsBest(TrainingProgress progress, double? accuracy) =>
        job.KeepBest && accuracy is { } reached && !(reached <= progress.Best?.HeldOutAccuracy);
}
