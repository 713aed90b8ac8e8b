namespace Rollout.Gpu.Interop;

/// <summary>
/// An order in which the device works. It does not wait for the default stream: what torch is to run in this
/// order runs under <see cref="Guard"/>.
/// </summary>
internal sealed class CudaStream : IDisposable
{
    private const uint NonBlocking = 1;

    private readonly int _device;
    private nint _handle;

    /// <param name="context">Of the device; current on this thread.</param>
    public CudaStream(CudaContext context)
    {
        _device = context.Info.Ordinal;
        CudaException.Check(CudaDriver.cuStreamCreate(out _handle, NonBlocking), "make a stream");
    }

    /// <summary>The driver's CUstream.</summary>
    public nint Handle => _handle;

    /// <summary>Makes every torch operation of this thread run on this stream until disposed.</summary>
    /// <exception cref="LibTorchException">libtorch refuses.</exception>
    public TorchStreamGuard Guard() => new(_handle, _device);

    /// <summary>Waits until all work given so far is done.</summary>
    /// <exception cref="CudaException">Something given before failed.</exception>
    public void Synchronize() => CudaException.Check(CudaDriver.cuStreamSynchronize(_handle), "finish a stream's work");

    /// <summary>Waits likewise, whatever became of the work: its memory can be given back then.</summary>
    public void Settle() => _ = CudaDriver.cuStreamSynchronize(_handle);

    /// <summary>Lets the device wait, not the host, until the event has happened.</summary>
    public void Wait(CudaEvent awaited) =>
        CudaException.Check(CudaDriver.cuStreamWaitEvent(_handle, awaited.Handle, 0), "wait for an event");

    /// <summary>Host to device. The host memory must be pinned and stay as it is until the copy is done.</summary>
    public void CopyToDevice(nint to, nint from, long bytes) =>
        Copy(CudaDriver.cuMemcpyHtoDAsync(to, from, (nuint)bytes, _handle), bytes);

    /// <summary>Device to host, likewise.</summary>
    public void CopyToHost(nint to, nint from, long bytes) =>
        Copy(CudaDriver.cuMemcpyDtoHAsync(to, from, (nuint)bytes, _handle), bytes);

    /// <summary>Device to device; the two do not overlap.</summary>
    public void CopyOnDevice(nint to, nint from, long bytes) =>
        Copy(CudaDriver.cuMemcpyDtoDAsync(to, from, (nuint)bytes, _handle), bytes);

    /// <summary>Sets every byte.</summary>
    public void Fill(nint to, byte value, long bytes)
    {
        if (bytes > 0)
        {
            CudaException.Check(
                CudaDriver.cuMemsetD8Async(to, value, (nuint)bytes, _handle), $"fill {bytes} bytes");
        }
    }

    public void Dispose()
    {
        if (_handle == 0)
            return;
        _ = CudaDriver.cuStreamDestroy(_handle);
        _handle = 0;
    }

    private static void Copy(int result, long bytes) => CudaException.Check(result, $"copy {bytes} bytes");
}
