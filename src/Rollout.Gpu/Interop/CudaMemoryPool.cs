namespace Rollout.Gpu.Interop;

/// <summary>
/// The driver's memory pool of a device, from which <see cref="LibTorch"/> makes libtorch allocate. Its figures and
/// its trim replace libtorch's, which neither TorchSharp nor libtorch's C interface offers.
/// </summary>
internal sealed unsafe class CudaMemoryPool
{
    private const int ReservedNow = 5; // CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT
    private const int UsedNow = 7;     // CU_MEMPOOL_ATTR_USED_MEM_CURRENT
    private const int UsedMost = 8;    // CU_MEMPOOL_ATTR_USED_MEM_HIGH

    private readonly nint _pool;

    /// <param name="ordinal">The device's number, from 0.</param>
    /// <exception cref="CudaException">There is no such device.</exception>
    public CudaMemoryPool(int ordinal)
    {
        CudaException.Check(CudaDriver.cuDeviceGet(out var device, ordinal), $"find device {ordinal}");
        CudaException.Check(CudaDriver.cuDeviceGetDefaultMemPool(out _pool, device), "find the memory pool");
    }

    /// <summary>Bytes that the pool has taken from the device.</summary>
    public long Reserved => Read(ReservedNow);

    /// <summary>Bytes of the pool that are allocated.</summary>
    public long Used => Read(UsedNow);

    /// <summary>The most bytes that were allocated at once since <see cref="StartPeak"/>.</summary>
    public long UsedPeak => Read(UsedMost);

    public void StartPeak()
    {
        var zero = 0UL;
        CudaException.Check(CudaDriver.cuMemPoolSetAttribute(_pool, UsedMost, &zero), "reset the memory pool's peak");
    }

    /// <summary>
    /// Gives unallocated memory back. Wait for the device first, because memory in use by queued work stays.
    /// </summary>
    /// <param name="keep">Bytes that the pool may keep.</param>
    public void Trim(long keep = 0) =>
        CudaException.Check(CudaDriver.cuMemPoolTrimTo(_pool, (nuint)keep), "trim the memory pool");

    private long Read(int attribute)
    {
        ulong value;
        CudaException.Check(CudaDriver.cuMemPoolGetAttribute(_pool, attribute, &value), "describe the memory pool");
        return (long)value;
    }
}
