using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Interop;

/// <summary>
/// libtorch, or a library that it needs, can't be used. The message says what is missing and what to do.
/// </summary>
internal sealed class LibTorchException : DeviceException
{
    public LibTorchException(string message)
        : base(message)
    {
    }

    public LibTorchException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
