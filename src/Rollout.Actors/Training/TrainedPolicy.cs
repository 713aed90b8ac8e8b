using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>
/// The policy that a run trains: its name in the cluster, its checkpoints, and its offers to other processes.
/// </summary>
/// <param name="trainer">Trains the policy; this object disposes of it.</param>
/// <param name="run">The number of the run, part of the policy's name (see <see cref="Policy"/>).</param>
/// <param name="publisher">Offers the weights to other processes; null if there are none.</param>
internal sealed class TrainedPolicy(IPolicyTrainer trainer, long run, IWeightPublisher? publisher) : IDisposable
{
    public Policy Current => new(run, trainer.Version);

    public Policy Next => new(run, trainer.Version.Next());

    /// <summary>False once an update was interrupted halfway: such weights must not be saved.</summary>
    public bool IsWhole => trainer.IsWhole;

    /// <summary>
    /// The last checkpoint's folder, which may be the one that the run was resumed from; null before the first.
    /// </summary>
    public string? LastCheckpoint { get; private set; }

    /// <summary>Notes the checkpoint that the run was resumed from, which need not be saved again.</summary>
    public void ContinueFrom(string checkpoint) => LastCheckpoint = checkpoint;

    /// <summary>Trains one step.</summary>
    public TrainStats Train(TrainBatch batch) => trainer.Train(batch);

    /// <summary>
    /// Offers the current weights to other processes, if any. Returns what the barrier is to distribute.
    /// </summary>
    public UpdateAll Offer() => new(Current, publisher?.Publish(Current));

    /// <summary>Writes a checkpoint. Returns false if it is the last one already.</summary>
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
