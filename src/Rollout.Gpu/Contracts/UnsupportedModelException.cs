namespace Rollout.Gpu.Contracts;

/// <summary>A model, or a block size, that a device's kernels are not made for. The message says what they take.</summary>
public sealed class UnsupportedModelException(string message) : DeviceException(message);
