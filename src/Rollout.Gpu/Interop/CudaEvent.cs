namespace Rollout.Gpu.Interop;

/// <summary>A point in a stream's work, to wait for or to take the time of.</summary>
internal sealed class CudaEvent : IDisposable
{
    private const uint DisableTiming = 2;

    private nint _handle;

    /// <param name="timed">Whether the device notes the time, which costs a little.</param>
    public CudaEvent(bool timed = false) =>
        CudaException.Check(CudaDriver.cuEventCreate(out _handle, timed ? 0 : DisableTiming), "make an event");

    /// <summary>The driver's CUevent.</summary>
    public nint Handle => _handle;

    /// <summary>True once everything before it is done.</summary>
    /// <exception cref="CudaException">Something before it failed.</exception>
    public bool HasHappened => CudaException.IsDone(CudaDriver.cuEventQuery(_handle), "ask for an event");

    /// <summary>Puts the event behind all work given to the stream so far.</summary>
    public void Record(CudaStream stream) =>
        CudaException.Check(CudaDriver.cuEventRecord(_handle, stream.Handle), "record an event");

    /// <summary>Waits for it.</summary>
    /// <exception cref="CudaException">Something before it failed.</exception>
    public void Synchronize() => CudaException.Check(CudaDriver.cuEventSynchronize(_handle), "wait for an event");

    /// <summary>From an earlier timed event to this one; both have happened.</summary>
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
