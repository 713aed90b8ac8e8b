using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>The policy that a trainer changes: which one it is in the cluster, and how others get it.</summary>
/// <param name="trainer">Changes it; this object's from here on.</param>
/// <param name="run">The trainer's run (see <see cref="Policy"/>).</param>
/// <param name="publisher">Offers it to other processes; null where there are none.</param>
internal sealed class TrainedPolicy(IPolicyTrainer trainer, long run, IWeightPublisher? publisher) : IDisposable
{
    public Policy Current => new(run, trainer.Version);

    public Policy Next => new(run, trainer.Version.Next());

    /// <summary>False after a training step that failed half way: there is nothing worth saving.</summary>
    public bool IsWhole { get; private set; } = true;

    /// <summary>The last checkpoint, which may be the one that the run goes on from; null before the first.</summary>
    public string? LastCheckpoint { get; private set; }

    /// <summary>The run goes on from this checkpoint: there is nothing to save before the next step.</summary>
    public void LoadedFrom(string checkpoint) => LastCheckpoint = checkpoint;

    /// <summary>One training step.</summary>
    public TrainStats Train(TrainBatch batch)
    {
        IsWhole = false;
        var stats = trainer.Train(batch);
        IsWhole = true;
        return stats;
    }

    /// <summary>What the barrier is told after it: nothing is copied where nobody needs a copy.</summary>
    public UpdateAll Publish() => new(Current, publisher?.Publish(Current));

    /// <summary>Writes a checkpoint. False when this one is there already.</summary>
    public bool Save(string folder, TrainingProgress progress)
    {
        if (folder == LastCheckpoint)
            return false;
        trainer.Save(folder, progress);
        LastCheckpoint = folder;
        return true;
    }

    public void Dispose() => trainer.Dispose();
}
