using System.Runtime.InteropServices;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Tests.Kernels;

/// <summary>
/// While it lives, every torch operation of its thread runs on one stream, so that tests of kernels can fill tensors in
/// the stream's order.
/// </summary>
internal sealed partial class TorchStreamGuard : IDisposable
{
    private const string Library = "libtorch_cuda.so";

    private nint _guard;

    public TorchStreamGuard(CudaStream stream, CudaContext context)
    {
        if (Create(stream.Handle, context.Info.Ordinal, out _guard) != 0)
            throw new LibTorchException("libtorch does not take the stream as its own.");
    }

    public void Dispose()
    {
        if (_guard == 0)
            return;
        _ = Delete(_guard);
        _guard = 0;
    }

    [LibraryImport(Library, EntryPoint = "aoti_torch_create_cuda_stream_guard")]
    private static partial int Create(nint stream, int device, out nint guard);

    [LibraryImport(Library, EntryPoint = "aoti_torch_delete_cuda_stream_guard")]
    private static partial int Delete(nint guard);
}
