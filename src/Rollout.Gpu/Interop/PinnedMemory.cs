using System.Runtime.InteropServices;

namespace Rollout.Gpu.Interop;

/// <summary>Host memory that a device can copy from and to while the host does other work.</summary>
internal sealed unsafe class PinnedMemory : IDisposable
{
    private nint _pointer;

    /// <param name="bytes">The size. The memory is cleared.</param>
    /// <exception cref="CudaException">There is too little memory.</exception>
    public PinnedMemory(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        Bytes = bytes;
        CudaException.Check(
            CudaDriver.cuMemHostAlloc(out _pointer, (nuint)bytes, 0), $"allocate {bytes} bytes of pinned memory");
        NativeMemory.Clear((void*)_pointer, (nuint)bytes);
    }

    /// <summary>The address of the first byte.</summary>
    public nint Pointer => _pointer;

    public long Bytes { get; }

    /// <summary>The memory, of at most 2 GiB. Do not read or write it while the device copies from or to it.</summary>
    public Span<byte> Span => new((void*)_pointer, _pointer == 0 ? 0 : checked((int)Bytes));

    public void Dispose()
    {
        if (_pointer == 0)
            return;
        _ = CudaDriver.cuMemFreeHost(_pointer);
        _pointer = 0;
    }
}
