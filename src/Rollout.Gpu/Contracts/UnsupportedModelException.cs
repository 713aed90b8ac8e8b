namespace Rollout.Gpu.Contracts;

/// <summary>A model, or a block size, that the kernels of a device are not made for. The message says which limit it exceeds.</summary>
public sealed class UnsupportedModelException(string message) : DeviceException(message);
