namespace Rollout.Gpu.Interop;

/// <summary>
/// While it lives, every torch operation of the thread that made it runs on one stream, and torch's allocator
/// gives memory for that stream's order.
/// </summary>
internal sealed class TorchStreamGuard : IDisposable
{
    private nint _guard;

    internal TorchStreamGuard(nint stream, int device)
    {
        if (AotiTorch.aoti_torch_create_cuda_stream_guard(stream, device, out _guard) != 0)
            throw new LibTorchException($"libtorch does not take a stream of device {device} as its own.");
    }

    public void Dispose()
    {
        if (_guard == 0)
            return;
        _ = AotiTorch.aoti_torch_delete_cuda_stream_guard(_guard);
        _guard = 0;
    }
}
