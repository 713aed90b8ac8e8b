namespace Rollout.Gpu.Contracts;

/// <summary>
/// A model or block size that the device's kernels don't support. The message says what they support.
/// </summary>
public sealed class UnsupportedModelException(string message) : DeviceException(message);
