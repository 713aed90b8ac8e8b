using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Interop;

/// <summary>A library of NVIDIA's beside the driver refused or failed; the message says which and with what.</summary>
internal sealed class CudaLibraryException(string message) : DeviceException(message);
