namespace Rollout.Gpu.Contracts;

/// <summary>A device that lacks what the kernels need. The message names both.</summary>
public sealed class UnsupportedDeviceException(string message) : DeviceException(message);
