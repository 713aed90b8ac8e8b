namespace Rollout.Gpu.Contracts;

/// <summary>Runs one model on one device. A decoder uses it from one thread, which it blocks.</summary>
public interface IModelRunner : IDisposable
{
    /// <summary>The KV pool that block ids refer to.</summary>
    KvCacheGeometry Geometry { get; }

    /// <summary>The version of the weights in use.</summary>
    PolicyVersion Version { get; }

    /// <summary>Token ids of the model are 0 … this − 1.</summary>
    int VocabularySize { get; }

    /// <summary>Blocks that one step can copy at most.</summary>
    int MaxCopies => int.MaxValue;

    /// <summary>
    /// The most steps that may be started and not finished: 1 where <see cref="Start"/> computes, 2 where it only
    /// queues work, so that the device never waits for the host.
    /// </summary>
    int MaxStepsUnderWay { get; }

    /// <summary>
    /// Starts a step: copies blocks, writes the batch's keys and values, samples its draws. The caller may refill the
    /// batch as soon as this returns. Steps run in the order in which they were started.
    /// </summary>
    /// <exception cref="RowFaultException">
    /// Rows hold token ids outside of the vocabulary. Nothing was started.
    /// </exception>
    /// <exception cref="DeviceFaultException">The device or its memory can no longer be trusted.</exception>
    void Start(ForwardBatch batch);

    /// <summary>Waits for the oldest unfinished step. Its output is valid until the next Start or Finish.</summary>
    /// <exception cref="DrawFaultException">
    /// Draws can't be sampled. The step is finished, without an output.
    /// </exception>
    /// <exception cref="DeviceFaultException">The device or its memory can no longer be trusted.</exception>
    StepOutput Finish();

    /// <summary>
    /// Gives the KV pool's memory to a trainer on the same device, if the runner was built beside one. The pool's
    /// contents are lost. No step may be running.
    /// </summary>
    /// <exception cref="DeviceFaultException">The device failed.</exception>
    void Sleep()
    {
    }

    /// <summary>Takes that memory back. Until then no step can start.</summary>
    /// <exception cref="DeviceFaultException">The memory is no longer free.</exception>
    void Wake()
    {
    }

    /// <summary>
    /// Switches to the weights published as this version. Keys and values in the pool are then outdated.
    /// </summary>
    void LoadWeights(PolicyVersion version);
}
