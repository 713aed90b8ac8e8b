using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Host.Output;

namespace Rollout.Host.View;

/// <summary>The lines about a run's checkpoints.</summary>
internal static class CheckpointLine
{
    /// <summary>The line about a new checkpoint.</summary>
    public static string Of(CheckpointSaved saved) => $"checkpoint of step {saved.Step}: {EndLine.Shown(saved.Folder)}"
        + (saved.Best?.Step == saved.Step ? $" (the best so far: held-out {saved.Best.HeldOutAccuracy:0.000})" : "");

    /// <summary>The line at the end of a run about its best checkpoint; null where it kept none.</summary>
    public static string? OfBest(RunFolder run, TrainingProgress end) => end.Best is { } best
        ? $"the best checkpoint is that of step {best.Step} (held-out {best.HeldOutAccuracy:0.000}):"
            + $" {EndLine.Shown(run.Checkpoint(best.Step))}"
        : null;

    /// <summary>
    /// The line at the end of a run about what the disk holds; null where the last checkpoint has every step and its own line
    /// was the last.
    /// </summary>
    /// <param name="run">The run's folder.</param>
    /// <param name="end">The last finished step.</param>
    /// <param name="said">The last checkpoint with a line of its own; null where there was none.</param>
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
                + $" {EndLine.Shown(folder)}";
        }
        return latest == said?.Step
            ? null
            : $"no training step was finished since the checkpoint of step {latest}: {EndLine.Shown(folder)}";
    }

    private static string Steps(int count) => count == 1 ? "training step was" : $"{count} training steps were";
}
