namespace Rollout.Gpu.Interop;

/// <summary>
/// Work that a device does in order. A stream of its own does not wait for the default stream, on which torch runs.
/// </summary>
internal sealed class CudaStream : IDisposable
{
    private const uint NonBlocking = 1;

    private nint _handle;

    private CudaStream()
    {
    }

    /// <summary>The default stream, on which torch runs.</summary>
    public static CudaStream OfTorch { get; } = new();

    /// <param name="context">The device's context.</param>
    public CudaStream(CudaContext context)
    {
        context.MakeCurrent();
        CudaException.Check(CudaDriver.cuStreamCreate(out _handle, NonBlocking), "make a stream");
    }

    /// <summary>The driver's CUstream.</summary>
    public nint Handle => _handle;

    /// <summary>Waits until all work queued so far is done.</summary>
    /// <exception cref="CudaException">Queued work failed.</exception>
    public void Synchronize() => CudaException.Check(CudaDriver.cuStreamSynchronize(_handle), "finish a stream's work");

    /// <summary>Waits likewise and ignores failures, so that the memory that the work used can be freed.</summary>
    public void Settle() => _ = CudaDriver.cuStreamSynchronize(_handle);

    /// <summary>Lets all work queued from here on wait for an event. One that was never recorded has happened.</summary>
    public void Wait(CudaEvent awaited) =>
        CudaException.Check(CudaDriver.cuStreamWaitEvent(_handle, awaited.Handle, 0), "let a stream wait");

    /// <summary>Copies from host to device. The host memory is pinned and stays as it is until the copy is done.</summary>
    public void CopyToDevice(nint to, nint from, long bytes) =>
        Copy(CudaDriver.cuMemcpyHtoDAsync(to, from, (nuint)bytes, _handle), bytes);

    /// <summary>Copies from device to pinned host memory.</summary>
    public void CopyToHost(nint to, nint from, long bytes) =>
        Copy(CudaDriver.cuMemcpyDtoHAsync(to, from, (nuint)bytes, _handle), bytes);

    /// <summary>Copies within the device, between ranges that do not overlap.</summary>
    public void CopyOnDevice(nint to, nint from, long bytes) =>
        Copy(CudaDriver.cuMemcpyDtoDAsync(to, from, (nuint)bytes, _handle), bytes);

    /// <summary>Sets every byte to one value.</summary>
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
