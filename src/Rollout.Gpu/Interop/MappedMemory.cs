namespace Rollout.Gpu.Interop;

/// <summary>
/// Reserved addresses on a device whose memory can be given back and taken again, so that recorded graphs stay valid.
/// The memory is outside of torch's allocator and not cleared.
/// </summary>
internal sealed class MappedMemory : IDisposable
{
    private const int RecommendedGranularity = 1;

    private readonly int _device;
    private readonly nuint _reserved;
    private nint _pointer;

    /// <summary>Reserves the addresses, without memory.</summary>
    /// <param name="device">The device's number, from 0.</param>
    /// <param name="bytes">The size, at least 1.</param>
    /// <exception cref="CudaException">The device has no virtual addresses, or none are left.</exception>
    public MappedMemory(int device, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        (_device, Bytes) = (device, bytes);
        CudaException.Check(
            CudaDriver.cuMemGetAllocationGranularity(
                out var granularity, new CudaAllocation(device), RecommendedGranularity),
            "tell the granularity of its memory");
        _reserved = ((nuint)bytes + granularity - 1) / granularity * granularity;
        CudaException.Check(
            CudaDriver.cuMemAddressReserve(out _pointer, _reserved, 0, 0, 0), $"reserve addresses for {bytes} bytes");
    }

    /// <summary>The address of the first byte. It can be used while <see cref="IsMapped"/>.</summary>
    public nint Pointer => _pointer;

    public long Bytes { get; }

    /// <summary>True while there is memory behind the addresses.</summary>
    public bool IsMapped { get; private set; }

    /// <summary>Takes memory from the device.</summary>
    /// <exception cref="CudaException">The device has too little memory.</exception>
    public void Map()
    {
        if (IsMapped)
            return;
        CudaException.Check(
            CudaDriver.cuMemCreate(out var memory, _reserved, new CudaAllocation(_device), 0),
            $"allocate {Bytes} bytes on the device");
        try
        {
            CudaException.Check(CudaDriver.cuMemMap(_pointer, _reserved, 0, memory, 0), $"map {Bytes} bytes");
            IsMapped = true;
            CudaException.Check(
                CudaDriver.cuMemSetAccess(_pointer, _reserved, new CudaAccess(_device), 1), $"use {Bytes} bytes mapped");
        }
        catch
        {
            Unmap();
            throw;
        }
        finally
        {
            _ = CudaDriver.cuMemRelease(memory); // from here on only the mapping holds it
        }
    }

    /// <summary>Gives the memory back; its contents are lost. No work on the device may use it.</summary>
    public void Unmap()
    {
        if (!IsMapped)
            return;
        IsMapped = false;
        CudaException.Check(CudaDriver.cuMemUnmap(_pointer, _reserved), $"give back {Bytes} bytes");
    }

    public void Dispose()
    {
        if (_pointer == 0)
            return;
        if (IsMapped)
            _ = CudaDriver.cuMemUnmap(_pointer, _reserved);
        IsMapped = false;
        _ = CudaDriver.cuMemAddressFree(_pointer, _reserved);
        _pointer = 0;
    }
}
