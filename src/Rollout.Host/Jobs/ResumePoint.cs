using Rollout.Actors.Settings;
using Rollout.Gpu.Adapters;
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
            Progress = WithBest(store, ReadProgress(store, checkpoint)),
        };
    }

    /// <summary>Compares data and settings with those that the checkpoint was made with.</summary>
    /// <returns>A warning about what may differ; null where nothing does.</returns>
    /// <exception cref="OutputException">It would not be the same run: names what differs.</exception>
    public string? RequireSameRun(IReadOnlyDictionary<string, string> fingerprint)
    {
        var (refused, allowed) = DifferencesOf(Progress, fingerprint);
        if (refused.Count > 0)
        {
            throw new OutputException(
                $"'{Checkpoint}' is of a run with other settings: {string.Join(", ", refused)}. {AdviceFor(fingerprint)}");
        }
        return allowed.Count == 0
            ? null
            : $"WARNING the run goes on with other settings: {string.Join(", ", allowed)}; what it learns may differ from a run"
                + " that was not interrupted";
    }

    public CausalLm LoadModel(RolloutSettings settings) => PolicyModel.LoadTrained(Checkpoint, settings);

    /// <summary>The key by which a new run starts from the checkpoint.</summary>
    private string StartKey =>
        File.Exists(Path.Combine(Checkpoint, PeftAdapter.WeightsName)) ? "model.adapter" : "model.path";

    private string AdviceFor(IReadOnlyDictionary<string, string> fingerprint)
    {
        var store = new CheckpointStore(Folder.Checkpoints);
        var fitting = store.Steps().Reverse().Select(store.FolderOf).FirstOrDefault(folder =>
            CheckpointStore.IsWhole(folder)
            && DifferencesOf(CheckpointStore.ReadVerified(folder), fingerprint).Refused.Count == 0);
        return fitting is null
            ? $"Set them back, or start a new run from its weights with {StartKey} = '{Checkpoint}'."
            : $"The newest checkpoint with these settings is '{fitting}': remove the newer ones to continue from it.";
    }

    private static (IReadOnlyList<string> Refused, IReadOnlyList<string> Allowed) DifferencesOf(
        TrainingProgress progress, IReadOnlyDictionary<string, string> fingerprint) =>
        progress.Fingerprint is { } before ? RunFingerprint.Differences(before, fingerprint) : ([], []);

    /// <summary>Forgets a best checkpoint that somebody removed.</summary>
    private static TrainingProgress WithBest(CheckpointStore store, TrainingProgress progress) =>
        progress.Best is { } best && !Directory.Exists(store.FolderOf(best.Step)) ? progress with { Best = null } : progress;

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
