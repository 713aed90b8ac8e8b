namespace Rollout.Gpu.Contracts;

/// <summary>Runs one model on one device. Used by one thread, which it blocks.</summary>
public interface IModelRunner : IDisposable
{
    /// <summary>The KV pool that block ids refer to.</summary>
    KvCacheGeometry Geometry { get; }

    /// <summary>The version of the weights in use.</summary>
    PolicyVersion Version { get; }

    /// <summary>Copies blocks, writes the batch's keys and values, and samples its draws.</summary>
    /// <exception cref="DeviceFaultException">The device or its memory can no longer be trusted.</exception>
    StepOutput Run(ForwardBatch batch);

    /// <summary>Takes the weights that were published as this version. The KV in the pool is then of the past.</summary>
    void LoadWeights(PolicyVersion version);
}
