using System.Collections.Concurrent;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Execution;

/// <summary>
/// The memory of one GPU as the driver reports it, in all processes, apart from what libtorch's allocator keeps
/// unused.
/// </summary>
internal sealed class CudaMemory : IDeviceMemory
{
    private const long Slack = 256L << 20; // for the driver's own allocations

    // By device, because the decoder notes the peak before it gives its pool back, and the trainer reads it.
    private static readonly ConcurrentDictionary<int, long> Noted = new();

    private readonly int _ordinal;
    private readonly CudaContext _context;
    private readonly CudaMemoryPool _pool;

    /// <param name="ordinal">The device's number, from 0.</param>
    /// <exception cref="LibTorchException">There is no driver.</exception>
    /// <exception cref="CudaException">There is no such device, or it can't be used.</exception>
    public CudaMemory(int ordinal)
    {
        using var owned = new Owned();
        _ordinal = ordinal;
        _context = owned.Add(CudaContext.Open(ordinal));
        _pool = new CudaMemoryPool(ordinal);
        owned.Keep();
    }

    public string DeviceName => _context.Info.Name;

    public DeviceMemoryUse Read()
    {
        _context.MakeCurrent();
        var (free, total) = _context.MemoryInfo();
        var others = total - free - _pool.Reserved; // used outside of libtorch: the KV pool, work buffers, the driver
        var peak = Math.Max(others + _pool.UsedPeak, Noted.GetValueOrDefault(_ordinal));
        return new DeviceMemoryUse(others + _pool.Used, total - free, free, peak);
    }

    public void StartPeak()
    {
        Noted.TryRemove(_ordinal, out _);
        _pool.StartPeak();
    }

    /// <summary>
    /// Includes the present use in the peak. The driver records the peak of libtorch's memory alone, so a caller that gives
    /// back other memory calls this first.
    /// </summary>
    public void NotePeak()
    {
        var inUse = Read().InUse;
        Noted.AddOrUpdate(_ordinal, inUse, (_, noted) => Math.Max(noted, inUse));
    }

    public void Trim()
    {
        _context.MakeCurrent();
        _context.Synchronize();
        _pool.Trim();
    }

    /// <summary>
    /// Lets the driver allocate so many bytes. What libtorch's allocator keeps unused beyond that stays with it, so that
    /// training finds it again.
    /// </summary>
    public void MakeRoom(long bytes)
    {
        _context.MakeCurrent();
        long Missing() => bytes + Slack - _context.MemoryInfo().Free;
        if (Missing() is var missing && missing <= 0)
            return;
        _context.Synchronize();
        _pool.Trim(keep: Math.Max(0, _pool.Reserved - missing));
        if (Missing() > 0)
            _pool.Trim();
    }

    public void Dispose() => _context.Dispose();
}
