using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Cache;

/// <summary>
/// The paged pool of a CPU, one allocation of [layers, 2 (key, value), blocks, block_size, kv_heads, head_dim].
/// Blocks are never cleared, since attention reads only what a context's length covers.
/// </summary>
internal sealed unsafe class PagedKvCache : IKvCache
{
    private readonly Tensor _storage;
    private readonly PagedAttention _attention;

    /// <param name="shape">The model's layers and heads.</param>
    /// <param name="geometry">Blocks and their size.</param>
    /// <param name="dtype">Float32, the only type of this attention.</param>
    /// <param name="device">The CPU, the only device of this attention.</param>
    /// <param name="threads">The most threads of attention, the caller's included.</param>
    /// <exception cref="NotSupportedException">The type or the device is another.</exception>
    /// <exception cref="DeviceFaultException">There is too little memory.</exception>
    public PagedKvCache(
        KvCacheShape shape, KvCacheGeometry geometry, ScalarType dtype, Device device, int threads)
    {
        if (dtype != ScalarType.Float32 || device.type != TorchSharp.DeviceType.CPU)
        {
            throw new NotSupportedException(
                $"The paged KV cache is {dtype} on {device}; its attention takes Float32 on the CPU.");
        }

        Geometry = geometry;
        _storage = KvStorage.Allocate(shape, geometry, dtype, device, zero: false);
        _attention = new PagedAttention(shape, geometry, KvStorage.FirstNumber(_storage), threads);
    }

    public KvCacheGeometry Geometry { get; }

    /// <summary>[layers, 2, blocks, block_size, kv_heads, head_dim].</summary>
    internal Tensor Storage => _storage;

    public void CopyBlocks(IReadOnlyList<BlockCopy> copies) => KvStorage.CopyBlocks(_storage, copies);

    public IAttentionBackend Bind(ForwardBatch batch)
    {
        _attention.Prepare(batch);
        return _attention;
    }

    public void Dispose() => _storage.Dispose();
}
