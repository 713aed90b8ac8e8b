using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using TorchSharp;

namespace Rollout.Gpu.Cache;

/// <summary>
/// The paged pool of a GPU, one allocation of [layers, 2 (key, value), blocks, …], whose blocks the kernels lay out.
/// Blocks are never cleared, since attention reads only what a context's length covers. The pool can lend its memory
/// to a trainer and take it back at the same addresses.
/// </summary>
internal sealed class CudaKvPool : IDisposable
{
    private readonly KvCacheShape _shape;
    private readonly MappedMemory _memory;

    /// <param name="device">The device's number, from 0.</param>
    /// <param name="shape">The model's layers and heads.</param>
    /// <param name="geometry">Blocks and their size.</param>
    /// <param name="dtype">The type of keys and values.</param>
    /// <exception cref="DeviceFaultException">There is too little memory.</exception>
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

    /// <summary>The pool's size in bytes.</summary>
    public long Bytes => _memory.Bytes;

    /// <summary>The address of the first layer's keys.</summary>
    public nint Start => Part(0);

    /// <summary>The address of a layer's keys.</summary>
    public nint Keys(int layer) => Part(2 * layer);

    /// <summary>The address of a layer's values.</summary>
    public nint Values(int layer) => Part(2 * layer + 1);

    /// <summary>True while the pool has lent its memory.</summary>
    public bool IsAsleep => !_memory.IsMapped;

    /// <summary>
    /// The largest useful pool of so many bytes. More than twice the blocks that running sequences can hold would
    /// only cache prompts that nobody asks for again.
    /// </summary>
    /// <param name="shape">The model's layers and heads.</param>
    /// <param name="dtype">The type of keys and values.</param>
    /// <param name="blockSize">Tokens of a block.</param>
    /// <param name="bytes">The bytes that the pool may take.</param>
    /// <param name="sequences">The most sequences that run at once.</param>
    /// <param name="longest">The most tokens of a sequence.</param>
    /// <exception cref="DeviceFaultException">Not even one sequence of the longest length fits.</exception>
    public static KvCacheGeometry Fitting(
        KvCacheShape shape, torch.ScalarType dtype, int blockSize, long bytes, int sequences, int longest)
    {
        var blockBytes = shape.BytesPerToken((int)dtype.ElementSize()) * blockSize;
        var perSequence = KvCacheGeometry.BlocksFor(longest, blockSize);
        var useful = Math.Min(2L * sequences * perSequence, int.MaxValue / blockSize); // slots are 32-bit
        var blocks = Math.Min(Math.Max(0, bytes) / blockBytes, useful);
        if (blocks < perSequence)
        {
            throw new DeviceFaultException(
                $"Too little memory on the device: {Math.Max(0, bytes)} bytes are left for the KV pool, and a sequence of "
                + $"{longest} tokens needs {perSequence * blockBytes}. Set a lower rollout.decoder.max-model-len or a "
                + "higher rollout.blocks.gpu-memory-utilization.");
        }

        return new KvCacheGeometry((int)blocks, blockSize);
    }

    /// <summary>Gives the memory back; its contents are lost. No work on the device may use it.</summary>
    /// <exception cref="CudaException">The device failed.</exception>
    public void Sleep() => _memory.Unmap();

    /// <summary>Takes memory of the same size at the same addresses.</summary>
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
                + "allocated on the device. Set a lower rollout.blocks.count or a lower "
                + "rollout.blocks.gpu-memory-utilization.",
                cause);
        }
    }

    public void Dispose() => _memory.Dispose();

    private nint Part(int index) => IsAsleep
        ? throw new InvalidOperationException("The KV pool is asleep.")
        : _memory.Pointer + (nint)(index * (Bytes / (2 * _shape.LayerCount)));
}
