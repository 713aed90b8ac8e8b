namespace Rollout.Gpu.Interop;

/// <summary>Host memory that a device can copy from and to while the host does other work.</summary>
internal sealed unsafe class PinnedMemory : IDisposable
{
    private nint _pointer;

    /// <param name="bytes">The size, at most 2 GiB. The memory is cleared.</param>
    /// <exception cref="CudaException">There is too little memory.</exception>
    public PinnedMemory(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        Bytes = bytes;
        CudaException.Check(
            CudaDriver.cuMemHostAlloc(out _pointer, (nuint)bytes, 0), $"allocate {bytes} bytes of pinned memory");
        Span.Clear();
    }

    /// <summary>The address of the first byte.</summary>
    public nint Pointer => _pointer;

    public int Bytes { get; }

    /// <summary>The memory. Do not read or write it while the device copies from or to it.</summary>
    public Span<byte> Span => new((void*)_pointer, _pointer == 0 ? 0 : Bytes);

    public void Dispose()
    {
        if (_pointer == 0)
            return;
        _ = CudaDriver.cuMemFreeHost(_pointer);
        _pointer = 0;
    }
}
