namespace Rollout.Gpu.Interop;

/// <summary>Memory on the current device, outside of torch's allocator. It is not cleared.</summary>
internal sealed class DeviceMemory : IDisposable
{
    private nint _pointer;

    /// <param name="bytes">Its size; 0 allocates nothing.</param>
    /// <exception cref="CudaException">The device has too little memory.</exception>
    public DeviceMemory(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Bytes = bytes;
        if (bytes > 0)
        {
            CudaException.Check(
                CudaDriver.cuMemAlloc(out _pointer, (nuint)bytes), $"allocate {bytes} bytes on the device");
        }
    }

    /// <summary>The address of the first byte, 256-byte aligned.</summary>
    public nint Pointer => _pointer;

    public long Bytes { get; }

    public void Dispose()
    {
        if (_pointer == 0)
            return;
        _ = CudaDriver.cuMemFree(_pointer);
        _pointer = 0;
    }
}
