using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training;

/// <summary>
/// Reads a device's memory at the four boundaries of a training step. A peak is the highest use since the boundary
/// before.
/// </summary>
/// <param name="memory">The device's memory; null where it is not read.</param>
internal sealed class MemoryBoundaries(IDeviceMemory? memory)
{
    private DeviceMemoryUse? _rollout;
    private DeviceMemoryUse? _logprobs;
    private DeviceMemoryUse? _backward;
    private DeviceMemoryUse? _optimizer;

    /// <summary>Reads the boundary between the step's rollouts and its training.</summary>
    public void Start()
    {
        (_logprobs, _backward, _optimizer) = (null, null, null);
        _rollout = Read();
    }

    /// <summary>
    /// Reads the boundary after the step's first log-probabilities; later calls of the step do nothing.
    /// </summary>
    public void AfterLogprobs() => _logprobs ??= Read();

    public void AfterBackward() => _backward = Read();

    public void AfterOptimizer() => _optimizer = Read();

    /// <summary>Gives memory that allocators keep for reuse back to the device.</summary>
    public void Trim() => memory?.Trim();

    /// <summary>
    /// The step's figures; null where memory is not read. A boundary that the step did not reach has the current
    /// figures.
    /// </summary>
    public TrainingMemory? Take() => Read() is { } now
        ? new TrainingMemory(_rollout ?? now, _logprobs ?? now, _backward ?? now, _optimizer ?? now)
        : null;

    private DeviceMemoryUse? Read()
    {
        var use = memory?.Read();
        memory?.StartPeak();
        return use;
    }
}
