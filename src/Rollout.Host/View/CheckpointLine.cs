using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Host.Output;

namespace Rollout.Host.View;

/// <summary>What a run says of its checkpoints.</summary>
internal static class CheckpointLine
{
    /// <summary>There is a new one.</summary>
    public static string Of(CheckpointSaved saved) => $"checkpoint of step {saved.Step}: {Relative(saved.Folder)}";

    /// <summary>
    /// What there is to go on from at the end, by what the disk holds; null where the last checkpoint has all that was
    /// learnt and was said already.
    /// </summary>
    /// <param name="run">Its folder.</param>
    /// <param name="end">Where the run ended.</param>
    /// <param name="said">The last checkpoint that this process has said.</param>
    public static string? AtEnd(RunFolder run, TrainingProgress end, CheckpointSaved? said)
    {
        var store = new CheckpointStore(run.Checkpoints);
        if (!store.TryLatest(out var folder))
        {
            return end.Step == 0
                ? "nothing was saved: no training step was finished"
                : $"nothing was saved: the run ended after training step {end.Step} without a checkpoint";
        }
        var latest = store.Steps()[^1];
        if (latest < end.Step)
        {
            return $"the last {Steps(end.Step - latest)} not saved: the last checkpoint is that of step {latest}:"
                + $" {Relative(folder)}";
        }
        return latest == said?.Step
            ? null
            : $"no training step was finished since the checkpoint of step {latest}: {Relative(folder)}";
    }

    private static string Steps(int count) => count == 1 ? "training step was" : $"{count} training steps were";

    private static string Relative(string folder) => Path.GetRelativePath(Environment.CurrentDirectory, folder);
}
