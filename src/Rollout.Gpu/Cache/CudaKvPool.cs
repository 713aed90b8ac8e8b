using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using TorchSharp;

namespace Rollout.Gpu.Cache;

/// <summary>
/// The paged pool of a GPU: one allocation [layers, 2 (key, value), blocks, …], whose blocks the kernels lay out. Blocks
/// are never cleared; only what a context's length covers is ever read.
/// </summary>
internal sealed class CudaKvPool : IDisposable
{
    private readonly KvCacheShape _shape;
    private readonly torch.ScalarType _dtype;
    private DeviceMemory? _memory;

    /// <param name="shape">The model's layers and heads.</param>
    /// <param name="geometry">Blocks and their size.</param>
    /// <param name="dtype">Of keys and values.</param>
    /// <exception cref="DeviceFaultException">The memory is not there.</exception>
    public CudaKvPool(KvCacheShape shape, KvCacheGeometry geometry, torch.ScalarType dtype)
    {
        _shape = shape;
        _dtype = dtype;
        Geometry = geometry;
        Allocate();
    }

    public KvCacheGeometry Geometry { get; }

    /// <summary>All of it.</summary>
    public long Bytes => _shape.BytesPerToken(_dtype) * Geometry.BlockCount * Geometry.BlockSize;

    /// <summary>The first layer's first key.</summary>
    public nint Start => Part(0);

    /// <summary>The first key of a layer.</summary>
    public nint Keys(int layer) => Part(2 * layer);

    /// <summary>The first value of a layer.</summary>
    public nint Values(int layer) => Part(2 * layer + 1);

    /// <summary>Has no memory at present.</summary>
    public bool IsAsleep => _memory is null;

    /// <summary>
    /// As many blocks as a share of the free bytes holds, but no more than twice what can be held at once: the rest could
    /// only keep prompts that nobody asks for again.
    /// </summary>
    /// <exception cref="DeviceFaultException">Not even one sequence of the longest length fits.</exception>
    public static KvCacheGeometry Fitting(
        KvCacheShape shape, torch.ScalarType dtype, int blockSize, long bytes, int sequences, int longest)
    {
        var blockBytes = shape.BytesPerToken(dtype) * blockSize;
        var perSequence = (longest + blockSize - 1) / blockSize;
        var useful = Math.Min(2L * sequences * perSequence, int.MaxValue / blockSize); // slots are 32-bit
        var blocks = Math.Min(bytes / blockBytes, useful);
        if (blocks < 1)
        {
            throw new DeviceFaultException(
                $"Too little memory on the device: {bytes} bytes are left for the KV pool, and one block of {blockSize} "
                + $"tokens takes {blockBytes}.");
        }

        return new KvCacheGeometry((int)blocks, blockSize);
    }

    /// <summary>Gives the memory back, and what was in it.</summary>
    public void Sleep()
    {
        _memory?.Dispose();
        _memory = null;
    }

    /// <summary>Takes memory of the same size, at another address maybe.</summary>
    /// <exception cref="DeviceFaultException">It is not there.</exception>
    public void Wake()
    {
        if (IsAsleep)
            Allocate();
    }

    public void Dispose() => Sleep();

    private nint Part(int index) =>
        (_memory ?? throw new InvalidOperationException("The KV pool is asleep.")).Pointer
        + (nint)(index * (Bytes / (2 * _shape.LayerCount)));

    private void Allocate()
    {
        try
        {
            _memory = new DeviceMemory(Bytes);
        }
        catch (CudaException cause) when (cause.IsOutOfMemory)
        {
            throw new DeviceFaultException(
                $"The KV pool of {Geometry.BlockCount} blocks of {Geometry.BlockSize} tokens ({Bytes} bytes) can't be "
                + "allocated on the device: fewer blocks (rollout.blocks.count), or a smaller share of what is free "
                + "(rollout.blocks.gpu-memory-utilization), would fit.",
                cause);
        }
    }
}
