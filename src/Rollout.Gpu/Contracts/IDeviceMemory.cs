namespace Rollout.Gpu.Contracts;

/// <summary>Tells how a device's memory is used. Any thread that may use the device may ask. Disposed by its creator.</summary>
public interface IDeviceMemory : IDisposable
{
    /// <summary>What the device's maker calls it.</summary>
    string DeviceName { get; }

    /// <summary>How it is now, with the peak since <see cref="StartPeak"/>.</summary>
    DeviceMemoryUse Read();

    /// <summary>The peak counts anew.</summary>
    void StartPeak();

    /// <summary>Gives the device back what allocators keep for reuse and nothing uses.</summary>
    void Trim();
}

/// <summary>A device's memory at one moment, in bytes.</summary>
/// <param name="InUse">Held by weights, caches, tensors and the driver, of all processes.</param>
/// <param name="Reserved">That, and what this process' allocator keeps for reuse.</param>
/// <param name="Free">What anybody can have.</param>
/// <param name="Peak">The most in use at once.</param>
public sealed record DeviceMemoryUse(long InUse, long Reserved, long Free, long Peak);

/// <summary>A device's memory at the four boundaries of a training step.</summary>
/// <param name="Rollout">After the rollouts, decoders asleep.</param>
/// <param name="Logprobs">The first micro-batch's log-probabilities are computed, what their gradient needs is kept.</param>
/// <param name="Backward">After the last backward pass.</param>
/// <param name="Optimizer">After the last optimizer step.</param>
public sealed record TrainingMemory(
    DeviceMemoryUse Rollout, DeviceMemoryUse Logprobs, DeviceMemoryUse Backward, DeviceMemoryUse Optimizer);
