using System.Runtime.InteropServices;

namespace Rollout.Gpu.Interop;

/// <summary>
/// The part of libtorch's stable C interface (torch/csrc/inductor/aoti_torch/c/shim.h) that TorchSharp lacks.
/// A TorchSharp tensor's handle is the AtenTensorHandle of these functions. All return 0 for success, and
/// print the reason to standard error otherwise.
/// </summary>
internal static unsafe partial class AotiTorch
{
    private const string Cpu = "libtorch_cpu.so";
    private const string Cuda = "libtorch_cuda.so";

    [LibraryImport(Cpu)]
    internal static partial int aoti_torch_get_data_ptr(nint tensor, out nint pointer);

    [LibraryImport(Cpu)]
    internal static partial int aoti_torch_create_tensor_from_blob(
        nint data, long dimensions, long* sizes, long* strides, long offset, int dtype, int deviceType,
        int deviceIndex, out nint tensor);

    [LibraryImport(Cpu)]
    internal static partial int aoti_torch_mm_out(nint result, nint left, nint right);

    [LibraryImport(Cpu)]
    internal static partial int aoti_torch_addmm_out(
        nint result, nint added, nint left, nint right, float beta, float alpha);

    [LibraryImport(Cuda)]
    internal static partial int aoti_torch_create_cuda_stream_guard(nint stream, int device, out nint guard);

    [LibraryImport(Cuda)]
    internal static partial int aoti_torch_delete_cuda_stream_guard(nint guard);
}
