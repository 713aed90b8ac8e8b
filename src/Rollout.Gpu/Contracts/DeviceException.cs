namespace Rollout.Gpu.Contracts;

/// <summary>
/// A device, or a library that drives it, is missing, refuses or fails. The message is one sentence for the user who runs
/// the program.
/// </summary>
public abstract class DeviceException : Exception
{
    protected DeviceException(string message)
        : base(message)
    {
    }

    protected DeviceException(string message, Exception cause)
        : base(message, cause)
    {
    }

    /// <summary>The device ran out of memory, and nothing else is wrong.</summary>
    public virtual bool IsOutOfMemory => false;
}
