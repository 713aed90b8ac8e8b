namespace Rollout.Gpu.Interop;

/// <summary>
/// The driver's own pool of a device, which <see cref="LibTorch"/> tells libtorch to allocate from: the only way to its
/// figures and to giving back what it keeps, neither of which TorchSharp or libtorch's C interface has.
/// </summary>
internal sealed unsafe class CudaMemoryPool
{
    private const int ReservedNow = 5; // CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT
    private const int UsedNow = 7;     // CU_MEMPOOL_ATTR_USED_MEM_CURRENT
    private const int UsedMost = 8;    // CU_MEMPOOL_ATTR_USED_MEM_HIGH

    private readonly nint _pool;

    /// <param name="ordinal">The device, from 0.</param>
    /// <exception cref="CudaException">There is no such device.</exception>
    public CudaMemoryPool(int ordinal)
    {
        CudaException.Check(CudaDriver.cuDeviceGet(out var device, ordinal), $"find device {ordinal}");
        CudaException.Check(CudaDriver.cuDeviceGetDefaultMemPool(out _pool, device), "find the memory pool");
    }

    /// <summary>Bytes that the pool has taken from the device.</summary>
    public long Reserved => Read(ReservedNow);

    /// <summary>Bytes of those that are allocated.</summary>
    public long Used => Read(UsedNow);

    /// <summary>The most that were allocated at once since <see cref="StartPeak"/>.</summary>
    public long UsedPeak => Read(UsedMost);

    public void StartPeak()
    {
        var zero = 0UL;
        CudaException.Check(CudaDriver.cuMemPoolSetAttribute(_pool, UsedMost, &zero), "reset the memory pool's peak");
    }

    /// <summary>Gives back what is not allocated. Wait for the device first: memory in flight stays.</summary>
    public void Trim() => CudaException.Check(CudaDriver.cuMemPoolTrimTo(_pool, 0), "trim the memory pool");

    private long Read(int attribute)
    {
        ulong value;
        CudaException.Check(CudaDriver.cuMemPoolGetAttribute(_pool, attribute, &value), "describe the memory pool");
        return (long)value;
    }
}
