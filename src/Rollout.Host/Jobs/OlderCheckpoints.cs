using Rollout.Gpu.Training;
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>Removes what output.keep-last leaves out, once a newer checkpoint is on the disk.</summary>
internal static class OlderCheckpoints
{
    /// <param name="run">The run's folder.</param>
    /// <param name="keepLast">Newest checkpoints that stay; 0 keeps all.</param>
    /// <param name="best">The step of another that stays; null for none.</param>
    /// <param name="say">Told of one that can't be removed.</param>
    public static void Remove(RunFolder run, int keepLast, int? best, Action<string> say)
    {
        if (keepLast == 0)
            return;
        try
        {
            new CheckpointStore(run.Checkpoints).KeepOnly(keepLast, best);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            say($"WARNING an old checkpoint was not removed: {cause.Message}");
        }
    }
}
