namespace Rollout.Gpu.Contracts;

/// <summary>A device that can no longer be used: out of memory, a sticky error. Nothing on it is worth a retry.</summary>
public sealed class DeviceFaultException : Exception
{
    public DeviceFaultException(string message)
        : base(message)
    {
    }

    public DeviceFaultException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
