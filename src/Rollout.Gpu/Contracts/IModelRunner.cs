namespace Rollout.Gpu.Contracts;

/// <summary>Runs one model on one device. Used by one thread, which it blocks.</summary>
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
    /// Steps that may be started and not finished at once: 1 where <see cref="Start"/> computes, 2 where it only queues,
    /// so that the device never waits for the host.
    /// </summary>
    int StepsAhead { get; }

    /// <summary>
    /// Begins a step: copies blocks, writes the batch's keys and values, samples its draws. The batch may be filled anew
    /// as soon as this returns. Steps run one after another in the order of their start.
    /// </summary>
    /// <exception cref="RowFaultException">Rows hold token ids outside of the vocabulary. Nothing was started.</exception>
    /// <exception cref="DeviceFaultException">The device or its memory can no longer be trusted.</exception>
    void Start(ForwardBatch batch);

    /// <summary>Waits for the oldest step that was started and not finished. Its output is valid until the next call.</summary>
    /// <exception cref="DrawFaultException">Draws can't be sampled. The step is finished, without an output.</exception>
    /// <exception cref="DeviceFaultException">The device or its memory can no longer be trusted.</exception>
    StepOutput Finish();

    /// <summary>
    /// Gives the memory of the KV pool to a trainer on the same device, where the runner was built for one. What was in
    /// the pool is lost. No step is under way.
    /// </summary>
    /// <exception cref="DeviceFaultException">The device failed.</exception>
    void Sleep()
    {
    }

    /// <summary>Takes that memory back; before that, nothing starts.</summary>
    /// <exception cref="DeviceFaultException">It is not there any more.</exception>
    void Wake()
    {
    }

    /// <summary>Takes the weights that were published as this version. The KV in the pool is then of the past.</summary>
    void LoadWeights(PolicyVersion version);
}
