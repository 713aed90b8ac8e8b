namespace Rollout.Gpu.Contracts;

/// <summary>
/// A device that can no longer be used, because it ran out of memory or has a sticky error. Its decoder stops;
/// retries are useless.
/// </summary>
public sealed class DeviceFaultException : DeviceException
{
    public DeviceFaultException(string message)
        : base(message)
    {
    }

    public DeviceFaultException(string message, Exception cause)
        : base(message, cause)
    {
    }

    /// <summary>Turns any failure on a device into a fault of the device.</summary>
    /// <param name="device">The device's name, such as cuda:0.</param>
    /// <param name="what">What the device failed to do: the words after its name.</param>
    /// <param name="cause">The failure, which is returned as it is if it is already a fault.</param>
    internal static DeviceFaultException Of(string device, string what, DeviceException cause) =>
        cause as DeviceFaultException ?? new DeviceFaultException(
            $"{device} {what}{(cause.IsOutOfMemory ? ": too little memory" : "")}: {cause.Message}", cause);
}
