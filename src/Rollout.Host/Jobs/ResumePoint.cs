using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Rollout.Host.Engine;
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>The newest checkpoint of a run that goes on.</summary>
public sealed record ResumePoint
{
    public required RunFolder Folder { get; init; }

    /// <summary>The checkpoint's folder.</summary>
    public required string Checkpoint { get; init; }

    public required TrainingProgress Progress { get; init; }

    /// <summary>The configuration that the run was started with; null where it was removed.</summary>
    public string? Config { get; init; }

    /// <exception cref="OutputException">The folder holds no run, or no checkpoint of it.</exception>
    public static ResumePoint Find(string path)
    {
        var folder = RunFolder.Resume(path);
        if (!new CheckpointStore(folder.Checkpoints).TryLatest(out var checkpoint))
            throw new OutputException($"'{path}' holds no complete checkpoint to go on from.");
        var config = Path.Combine(folder.Path, "config.conf");
        return new ResumePoint
        {
            Folder = folder,
            Checkpoint = checkpoint,
            Progress = CheckpointStore.ReadProgress(checkpoint),
            Config = File.Exists(config) ? config : null,
        };
    }

    /// <exception cref="OutputException">The run was started with another seed: it would not be the same run.</exception>
    public void RequireSeed(ulong seed)
    {
        if (seed != Progress.Seed)
            throw new OutputException($"The run in '{Folder.Path}' has the seed {Progress.Seed}, and rollout.seed is {seed}.");
    }

    public CausalLm LoadModel(RolloutSettings settings) => PolicyModel.Load(Checkpoint, settings);
}
