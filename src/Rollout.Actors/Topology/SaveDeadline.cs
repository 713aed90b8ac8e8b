namespace Rollout.Actors.Topology;

/// <summary>
/// How long a process that ends waits for its trainer, which finishes the optimizer's step at hand and writes a checkpoint.
/// </summary>
public static class SaveDeadline
{
    /// <summary>A network disk under load.</summary>
    private const double SlowestBytesPerSecond = 20e6;

    private static readonly TimeSpan StepTime = TimeSpan.FromMinutes(9);

    /// <param name="checkpointBytes">See <see cref="Rollout.Gpu.Contracts.IPolicyTrainer.CheckpointBytes"/>.</param>
    public static TimeSpan Of(long checkpointBytes) =>
        StepTime + TimeSpan.FromSeconds(checkpointBytes / SlowestBytesPerSecond);
}
