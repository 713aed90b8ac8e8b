namespace Rollout.Gpu.Contracts;

/// <summary>A device that lacks what the kernels need. The message names it and what it lacks.</summary>
public sealed class UnsupportedDeviceException(string message) : DeviceException(message);
