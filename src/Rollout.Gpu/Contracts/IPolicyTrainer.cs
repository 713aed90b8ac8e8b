namespace Rollout.Gpu.Contracts;

/// <summary>Owns the policy's optimizer. Used by one thread, which it blocks.</summary>
public interface IPolicyTrainer : IDisposable
{
    /// <summary>The version of the weights as published last.</summary>
    PolicyVersion Version { get; }

    /// <summary>
    /// One training step: advantages, num_iterations passes of clipped token loss, optimizer steps. Publishes the
    /// weights as the next version. No decoder may run on shared weights meanwhile (the step barrier sees to it).
    /// </summary>
    /// <exception cref="DeviceFaultException">The device can no longer be trusted.</exception>
    /// <exception cref="NotFiniteNumberException">A loss, gradient or weight is not finite.</exception>
    TrainStats Train(TrainBatch batch);

    /// <summary>Bytes that <see cref="Save"/> writes, but for small files. Any thread.</summary>
    long CheckpointBytes { get; }

    /// <summary>
    /// Writes model, tokenizer files, optimizer state and a manifest into a new folder, complete or not at all. Never
    /// writes a number that is not finite.
    /// </summary>
    void Save(string folder, TrainingProgress progress);
}

/// <summary>Where a run stands, besides weights and optimizer: what a resumed run continues with.</summary>
/// <param name="Step">Training steps finished.</param>
/// <param name="DataCursor">Prompts taken from the training set.</param>
/// <param name="Seed">The run's seed.</param>
public sealed record TrainingProgress(int Step, long DataCursor, ulong Seed);
