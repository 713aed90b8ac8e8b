namespace Rollout.Gpu.Contracts;

/// <summary>A device that can no longer be used: out of memory, a sticky error. Nothing on it is worth a retry.</summary>
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

    /// <summary>What anything that failed on a device means for whoever uses it.</summary>
    /// <param name="device">Such as cuda:0.</param>
    /// <param name="what">What it did not do, to go after the device's name.</param>
    /// <param name="cause">Returned as it is where it is a fault already.</param>
    internal static DeviceFaultException Of(string device, string what, DeviceException cause) =>
        cause as DeviceFaultException ?? new DeviceFaultException(
            $"{device} {what}{(cause.IsOutOfMemory ? ": too little memory" : "")}: {cause.Message}", cause);
}
