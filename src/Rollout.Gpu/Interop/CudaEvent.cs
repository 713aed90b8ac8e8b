namespace Rollout.Gpu.Interop;

/// <summary>A timed point in a stream's work. Hosts and other streams wait for it; hosts measure the time between two of them.</summary>
internal sealed class CudaEvent : IDisposable
{
    private const uint Timed = 0;

    private nint _handle;

    /// <summary>The driver's CUevent.</summary>
    public nint Handle => _handle;

    public CudaEvent() => CudaException.Check(CudaDriver.cuEventCreate(out _handle, Timed), "make an event");

    /// <summary>Puts the event behind all work given to the stream so far.</summary>
    public void Record(CudaStream stream) =>
        CudaException.Check(CudaDriver.cuEventRecord(_handle, stream.Handle), "record an event");

    /// <summary>Waits until all work before the event is done.</summary>
    /// <exception cref="CudaException">Work before it failed.</exception>
    public void Synchronize() => CudaException.Check(CudaDriver.cuEventSynchronize(_handle), "wait for an event");

    /// <summary>The time from an earlier event to this one. Both have happened.</summary>
    public float MillisecondsSince(CudaEvent start)
    {
        CudaException.Check(
            CudaDriver.cuEventElapsedTime(out var milliseconds, start._handle, _handle), "take the time");
        return milliseconds;
    }

    public void Dispose()
    {
        if (_handle == 0)
            return;
        _ = CudaDriver.cuEventDestroy(_handle);
        _handle = 0;
    }
}
