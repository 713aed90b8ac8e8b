using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Rollout.Host.Engine;
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>The newest checkpoint of a run, which a resumed run continues. Its files are as they were saved.</summary>
public sealed record ResumePoint
{
    public required RunFolder Folder { get; init; }

    /// <summary>The checkpoint's folder.</summary>
    public required string Checkpoint { get; init; }

    public required TrainingProgress Progress { get; init; }

    /// <summary>The configuration that the run was started with; null where it was removed.</summary>
    public string? Config { get; init; }

    /// <summary>Reads and verifies the newest checkpoint. The caller holds the run's folder.</summary>
    /// <exception cref="OutputException">
    /// The folder holds no run or no checkpoint of it, or the newest one is damaged: names the newest one that is
    /// whole.
    /// </exception>
    public static ResumePoint Find(string path)
    {
        var folder = RunFolder.Resume(path);
        var store = new CheckpointStore(folder.Checkpoints);
        store.Recover();
        if (!store.TryLatest(out var checkpoint))
            throw new OutputException($"'{path}' holds no complete checkpoint to continue from.");
        return new ResumePoint
        {
            Folder = folder,
            Checkpoint = checkpoint,
            Progress = ReadProgress(store, checkpoint),
            Config = File.Exists(folder.Config) ? folder.Config : null,
        };
    }

    /// <exception cref="OutputException">The run was started with another seed: it would not be the same run.</exception>
    public void RequireSeed(ulong seed)
    {
        if (seed != Progress.Seed)
            throw new OutputException($"The run in '{Folder.Path}' has the seed {Progress.Seed}, and rollout.seed is {seed}.");
    }

    /// <summary>
    /// A warning where the CPU computes with another number of threads than before, whose sums round differently; null
    /// where it does not.
    /// </summary>
    public string? ThreadsWarning(RolloutSettings settings)
    {
        var threads = PolicyModel.Threads(settings);
        return PolicyModel.IsCuda(settings) || Progress.Threads == 0 || Progress.Threads == threads
            ? null
            : $"WARNING the run had threads = {Progress.Threads} and goes on with {threads}: its metrics may differ in the"
                + " last bits from those of a run that was not interrupted";
    }

    public CausalLm LoadModel(RolloutSettings settings) => PolicyModel.Load(Checkpoint, settings);

    private static TrainingProgress ReadProgress(CheckpointStore store, string newest)
    {
        try
        {
            return CheckpointStore.ReadVerified(newest);
        }
        catch (CheckpointException damage)
        {
            var whole = store.Steps().Reverse().Select(store.FolderOf).FirstOrDefault(CheckpointStore.IsWhole);
            throw new OutputException(
                damage.Message + (whole is null
                    ? " No checkpoint of the run is whole."
                    : $" The newest whole checkpoint is '{whole}': remove the newer ones to continue from it."),
                damage);
        }
    }
}
