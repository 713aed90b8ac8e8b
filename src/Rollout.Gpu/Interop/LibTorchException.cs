using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Interop;

/// <summary>libtorch cannot be used here. The message is one sentence: what is missing and what to do.</summary>
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
