namespace Rollout.Gpu.Interop;

/// <summary>Host memory that the device can copy from and to while the host does something else.</summary>
internal sealed unsafe class PinnedMemory : IDisposable
{
    private nint _pointer;

    /// <param name="bytes">At most 2 GiB, cleared.</param>
    /// <exception cref="CudaException">The device has too little memory.</exception>
    public PinnedMemory(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        Bytes = bytes;
        CudaException.Check(
            CudaDriver.cuMemHostAlloc(out _pointer, (nuint)bytes, 0), $"allocate {bytes} bytes of pinned memory");
        Span.Clear();
    }

    /// <summary>The first byte.</summary>
    public nint Pointer => _pointer;

    public int Bytes { get; }

    /// <summary>All of it. Not to be read or written while a copy from or to it is under way.</summary>
    public Span<byte> Span => new((void*)_pointer, _pointer == 0 ? 0 : Bytes);

    public void Dispose()
    {
        if (_pointer == 0)
            return;
        _ = CudaDriver.cuMemFreeHost(_pointer);
        _pointer = 0;
    }
}
