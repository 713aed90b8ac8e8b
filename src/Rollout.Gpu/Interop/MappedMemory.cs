namespace Rollout.Gpu.Interop;

/// <summary>
/// Addresses on the device that stay the same while the memory behind them comes and goes: what names them, such as a
/// recorded graph, is as good after as before. Outside of torch's allocator; not cleared.
/// </summary>
internal sealed class MappedMemory : IDisposable
{
    private const int RecommendedGranularity = 1;

    private readonly int _device;
    private readonly nuint _reserved;
    private nint _pointer;

    /// <summary>Takes the addresses, without memory.</summary>
    /// <param name="device">From 0.</param>
    /// <param name="bytes">At least 1.</param>
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

    /// <summary>The first byte; readable while <see cref="IsMapped"/>.</summary>
    public nint Pointer => _pointer;

    public long Bytes { get; }

    /// <summary>There is memory behind the addresses.</summary>
    public bool IsMapped { get; private set; }

    /// <summary>Takes memory of the device.</summary>
    /// <exception cref="CudaException">It is not there.</exception>
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
            _ = CudaDriver.cuMemRelease(memory); // from here on the mapping alone holds it
        }
    }

    /// <summary>Gives the memory back, and what was in it. Nothing on the device uses it any more.</summary>
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
