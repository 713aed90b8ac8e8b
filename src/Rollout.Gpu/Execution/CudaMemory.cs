using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Execution;

/// <summary>The memory of one GPU, as the driver tells it: every process' part, libtorch's cache apart.</summary>
public sealed class CudaMemory : IDeviceMemory, IDisposable
{
    private readonly CudaContext _context;
    private readonly CudaMemoryPool _pool;

    /// <param name="ordinal">The device, from 0.</param>
    /// <exception cref="LibTorchException">There is no driver.</exception>
    /// <exception cref="CudaException">There is no such device, or it cannot be used.</exception>
    public CudaMemory(int ordinal)
    {
        _context = CudaContext.Open(ordinal);
        _pool = new CudaMemoryPool(ordinal);
    }

    /// <inheritdoc/>
    public DeviceMemoryUse Read()
    {
        _context.MakeCurrent();
        var (free, total) = _context.MemoryInfo();
        var others = total - free - _pool.Reserved; // not libtorch's: the KV pool, work buffers, the driver
        return new DeviceMemoryUse(others + _pool.Used, total - free, free, others + _pool.UsedPeak);
    }

    /// <inheritdoc/>
    public void StartPeak() => _pool.StartPeak();

    /// <inheritdoc/>
    public void Trim()
    {
        _context.MakeCurrent();
        _context.Synchronize();
        _pool.Trim();
    }

    public void Dispose() => _context.Dispose();
}
