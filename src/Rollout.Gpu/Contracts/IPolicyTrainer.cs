namespace Rollout.Gpu.Contracts;

/// <summary>Owns the policy's optimizer. A trainer uses it from one thread, which it blocks.</summary>
public interface IPolicyTrainer : IDisposable
{
    /// <summary>The version of the weights that was published last.</summary>
    PolicyVersion Version { get; }

    /// <summary>
    /// False once an update was interrupted halfway, or made a weight infinite or NaN: such weights can't be saved.
    /// </summary>
    bool IsWhole { get; }

    /// <summary>
    /// Runs one training step: advantages, then an optimizer step for each mini-batch of each iteration. Publishes the
    /// weights as the next version. Decoders that share the weights must be parked, which the step barrier ensures.
    /// An update whose loss or gradient is not finite is skipped; <see cref="TrainStats.WhyOver"/> says when that ends
    /// the run.
    /// </summary>
    /// <exception cref="DeviceFaultException">
    /// The device can no longer be trusted, or has too little memory for a single sequence. Nothing was published.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">A weight is not finite after an update.</exception>
    TrainStats Train(TrainBatch batch);

    /// <summary>Bytes that <see cref="Save"/> writes, except small files. Any thread may ask.</summary>
    long CheckpointBytes { get; }

    /// <summary>
    /// Writes model, tokenizer files, optimizer state and a manifest into a new folder, all of them or none. Refuses
    /// numbers that are not finite.
    /// </summary>
    void Save(string folder, TrainingProgress progress);
}

/// <summary>Where a run stands, besides weights and optimizer. A resumed run continues from it.</summary>
/// <param name="Step">Finished training steps.</param>
/// <param name="DataCursor">Prompts taken from the training set.</param>
/// <param name="Seed">The run's seed.</param>
public sealed record TrainingProgress(int Step, long DataCursor, ulong Seed)
{
    /// <summary>Data and settings that decide what is learnt, by name; null where they are not known.</summary>
    public IReadOnlyDictionary<string, string>? Fingerprint { get; init; }

    /// <summary>The checkpoint of the highest held-out accuracy, this one included; null before there is one.</summary>
    public BestCheckpoint? Best { get; init; }
}

/// <summary>A checkpoint with the result of its evaluation.</summary>
/// <param name="Step">Finished training steps.</param>
/// <param name="HeldOutAccuracy">0 … 1.</param>
public sealed record BestCheckpoint(int Step, double HeldOutAccuracy);
