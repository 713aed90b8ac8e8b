using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training;

/// <summary>Notes a device's memory at the four boundaries of a training step; the peaks are those since the one before.</summary>
/// <param name="memory">The device's; null notes nothing.</param>
internal sealed class MemoryBoundaries(IDeviceMemory? memory)
{
    private DeviceMemoryUse? _rollout;
    private DeviceMemoryUse? _logprobs;
    private DeviceMemoryUse? _backward;
    private DeviceMemoryUse? _optimizer;

    /// <summary>A training step begins: the boundary after its rollouts.</summary>
    public void Start()
    {
        (_logprobs, _backward, _optimizer) = (null, null, null);
        _rollout = Read();
    }

    /// <summary>Log-probabilities are computed; the first time of a step counts.</summary>
    public void AfterLogprobs() => _logprobs ??= Read();

    public void AfterBackward() => _backward = Read();

    public void AfterOptimizer() => _optimizer = Read();

    /// <summary>The step's figures, null where none are noted. What did not happen in it is as it is now.</summary>
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
