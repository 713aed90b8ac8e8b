using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using TorchSharp;

namespace Rollout.Gpu.Cache;

/// <summary>
/// The paged pool of a GPU: one allocation [layers, 2 (key, value), blocks, …], whose blocks the kernels lay out. Blocks
/// are never cleared; only what a context's length covers is ever read. Its memory can be lent to others and taken back
/// at the same addresses.
/// </summary>
internal sealed class CudaKvPool : IDisposable
{
    private readonly KvCacheShape _shape;
    private readonly MappedMemory _memory;

    /// <param name="device">The device, from 0.</param>
    /// <param name="shape">The model's layers and heads.</param>
    /// <param name="geometry">Blocks and their size.</param>
    /// <param name="dtype">Of keys and values.</param>
    /// <exception cref="DeviceFaultException">The memory is not there.</exception>
    public CudaKvPool(int device, KvCacheShape shape, KvCacheGeometry geometry, torch.ScalarType dtype)
    {
        _shape = shape;
        Geometry = geometry;
        var tokenBytes = shape.BytesPerToken((int)dtype.ElementSize());
        _memory = new MappedMemory(device, tokenBytes * geometry.BlockCount * geometry.BlockSize);
        try
        {
            Wake();
        }
        catch
        {
            _memory.Dispose();
            throw;
        }
    }

    public KvCacheGeometry Geometry { get; }

    /// <summary>All of it.</summary>
    public long Bytes => _memory.Bytes;

    /// <summary>The first layer's first key.</summary>
    public nint Start => Part(0);

    /// <summary>The first key of a layer.</summary>
    public nint Keys(int layer) => Part(2 * layer);

    /// <summary>The first value of a layer.</summary>
    public nint Values(int layer) => Part(2 * layer + 1);

    /// <summary>Has no memory at present.</summary>
    public bool IsAsleep => !_memory.IsMapped;

    /// <summary>
    /// As many blocks as a share of the free bytes holds, but no more than twice what can be held at once: the rest could
    /// only keep prompts that nobody asks for again.
    /// </summary>
    /// <param name="shape">The model's layers and heads.</param>
    /// <param name="dtype">Of keys and values.</param>
    /// <param name="blockSize">Tokens of a block.</param>
    /// <param name="bytes">What the pool may take.</param>
    /// <param name="sequences">That run at once, at most.</param>
    /// <param name="longest">Tokens of a sequence, at most.</param>
    /// <exception cref="DeviceFaultException">Not even one sequence of the longest length fits.</exception>
    public static KvCacheGeometry Fitting(
        KvCacheShape shape, torch.ScalarType dtype, int blockSize, long bytes, int sequences, int longest)
    {
        var blockBytes = shape.BytesPerToken((int)dtype.ElementSize()) * blockSize;
        var perSequence = (longest + blockSize - 1) / blockSize;
        var useful = Math.Min(2L * sequences * perSequence, int.MaxValue / blockSize); // slots are 32-bit
        var blocks = Math.Min(Math.Max(0, bytes) / blockBytes, useful);
        if (blocks < perSequence)
        {
            throw new DeviceFaultException(
                $"Too little memory on the device: {Math.Max(0, bytes)} bytes are left for the KV pool, and a sequence of "
                + $"{longest} tokens takes {perSequence * blockBytes}: shorter sequences (rollout.decoder.max-model-len), "
                + "or a larger share of what is free (rollout.blocks.gpu-memory-utilization), would fit.");
        }

        return new KvCacheGeometry((int)blocks, blockSize);
    }

    /// <summary>Gives the memory back, and what was in it. Nothing on the device uses it any more.</summary>
    /// <exception cref="CudaException">The device failed.</exception>
    public void Sleep() => _memory.Unmap();

    /// <summary>Takes memory of the same size, at the same addresses.</summary>
    /// <exception cref="DeviceFaultException">It is not there.</exception>
    public void Wake()
    {
        try
        {
            _memory.Map();
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

    public void Dispose() => _memory.Dispose();

    private nint Part(int index) => IsAsleep
        ? throw new InvalidOperationException("The KV pool is asleep.")
        : _memory.Pointer + (nint)(index * (Bytes / (2 * _shape.LayerCount)));
}
