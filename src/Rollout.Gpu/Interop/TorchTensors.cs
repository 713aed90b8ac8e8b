using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Rollout.Gpu.Interop;

/// <summary>What kernels and drivers need of torch: the addresses of its tensors, and a wait for its work.</summary>
internal static partial class TorchTensors
{
    /// <summary>The address of the tensor's first number, on its own device.</summary>
    /// <exception cref="LibTorchException">libtorch does not know the address.</exception>
    public static nint Pointer(Tensor tensor) => GetDataPointer(tensor.Handle, out var pointer) == 0
        ? pointer
        : throw new LibTorchException(
            "libtorch cannot give the address of a tensor; it printed the reason to standard error.");

    /// <summary>Waits until the device has done all work, torch's and that of others.</summary>
    public static void Synchronize(Device device)
    {
        using var turn = CudaGraph.Recording.EnterScope();
        cuda.synchronize(device);
    }

    // libtorch's stable C interface, torch/csrc/inductor/aoti_torch/c/shim.h. TorchSharp's handles are its tensors.
    [LibraryImport("libtorch_cpu.so", EntryPoint = "aoti_torch_get_data_ptr")]
    private static partial int GetDataPointer(nint tensor, out nint pointer);
}
