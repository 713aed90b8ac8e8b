using System.Runtime.InteropServices;
using TorchSharp;
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

    /// <summary>A packed tensor over memory of others, which outlives it. The current dispose scope owns the tensor.</summary>
    /// <param name="pointer">The address of the first number.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="dtype">The type of its numbers.</param>
    /// <param name="device">The device of the memory.</param>
    /// <exception cref="LibTorchException">libtorch refuses.</exception>
    public static unsafe Tensor At(nint pointer, ReadOnlySpan<long> shape, ScalarType dtype, Device device)
    {
        Span<long> strides = stackalloc long[shape.Length];
        var stride = 1L;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= shape[i];
        }

        fixed (long* sizes = shape, steps = strides)
        {
            return FromMemory(
                pointer, shape.Length, sizes, steps, 0, (int)dtype, (int)device.type, Math.Max(device.index, 0),
                out var handle) == 0
                ? Tensor.UnsafeCreateTensor(handle)
                : throw new LibTorchException(
                    "libtorch cannot make a tensor of this memory; it printed the reason to standard error.");
        }
    }

    /// <summary>
    /// The tensor on the device, for which a GPU's queued work is not waited. Disposes of the tensor unless it is there
    /// already.
    /// </summary>
    public static Tensor Upload(Tensor onHost, Device device)
    {
        if (device.type == DeviceType.CPU)
            return onHost;
        using var source = onHost;
        using var pinned = source.pin_memory();
        return pinned.to(device, non_blocking: true);
    }

    /// <summary>Waits until the device has done all work, torch's and that of others.</summary>
    public static void Synchronize(Device device)
    {
        using var turn = CudaGraph.Recording.EnterScope();
        cuda.synchronize(device);
    }

    // libtorch's stable C interface, torch/csrc/inductor/aoti_torch/c/shim.h. TorchSharp's handles are its tensors.
    [LibraryImport("libtorch_cpu.so", EntryPoint = "aoti_torch_get_data_ptr")]
    private static partial int GetDataPointer(nint tensor, out nint pointer);

    [LibraryImport("libtorch_cpu.so", EntryPoint = "aoti_torch_create_tensor_from_blob")]
    private static unsafe partial int FromMemory(
        nint pointer, long dimensions, long* sizes, long* strides, long offset, int dtype, int deviceType, int device,
        out nint tensor);
}
