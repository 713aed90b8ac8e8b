namespace Rollout.Gpu.Contracts;

/// <summary>
/// Tells how a device's memory is used. Any thread that may use the device may ask. Disposed by its creator.
/// </summary>
public interface IDeviceMemory : IDisposable
{
    /// <summary>The device's marketing name.</summary>
    string DeviceName { get; }

    /// <summary>Reads the present use, and the peak since <see cref="StartPeak"/>.</summary>
    DeviceMemoryUse Read();

    /// <summary>Resets the peak.</summary>
    void StartPeak();

    /// <summary>Gives unused memory that allocators keep for reuse back to the device.</summary>
    void Trim();
}

/// <summary>A device's memory at one moment, in bytes.</summary>
/// <param name="InUse">Bytes that weights, caches, tensors and the driver use, in all processes.</param>
/// <param name="Reserved">Bytes in use, and those that this process's allocator keeps for reuse.</param>
/// <param name="Free">Bytes that any process can allocate.</param>
/// <param name="Peak">The most bytes that were in use at once.</param>
public sealed record DeviceMemoryUse(long InUse, long Reserved, long Free, long Peak);

/// <summary>A device's memory at the four boundaries of a training step.</summary>
/// <param name="Rollout">After the rollouts, while decoders sleep.</param>
/// <param name="Logprobs">
/// After the first micro-batch's log-probabilities, while what their gradient needs is kept.
/// </param>
/// <param name="Backward">After the last backward pass.</param>
/// <param name="Optimizer">After the last optimizer step.</param>
public sealed record TrainingMemory(
    DeviceMemoryUse Rollout, DeviceMemoryUse Logprobs, DeviceMemoryUse Backward, DeviceMemoryUse Optimizer);
