using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Cache;

/// <summary>
/// The baseline cache, one row of the longest length for every sequence: [layers, 2, rows, max_len, kv_heads,
/// head_dim]. A row is a block of max_len tokens, so that block tables have one entry, and a fork copies the whole
/// row.
/// </summary>
internal sealed class ContiguousKvCache : IKvCache
{
    private readonly Tensor _storage;
    private readonly ContiguousAttention _attention;

    /// <param name="shape">The model's layers and heads.</param>
    /// <param name="geometry">One block for each row. The block size is the longest length.</param>
    /// <param name="dtype">The type of keys and values.</param>
    /// <param name="device">The device that holds the cache.</param>
    /// <exception cref="DeviceFaultException">There is too little memory.</exception>
    public ContiguousKvCache(KvCacheShape shape, KvCacheGeometry geometry, ScalarType dtype, Device device)
    {
        Geometry = geometry;

        // A masked key has weight 0, and 0 times what was in the memory must not be NaN.
        _storage = KvStorage.Allocate(shape, geometry, dtype, device, zero: true);
        _attention = new ContiguousAttention(shape, geometry, _storage);
    }

    public KvCacheGeometry Geometry { get; }

    public void CopyBlocks(IReadOnlyList<BlockCopy> copies) => KvStorage.CopyBlocks(_storage, copies);

    public IAttentionBackend Bind(ForwardBatch batch)
    {
        _attention.Prepare(batch);
        return _attention;
    }

    public void Dispose()
    {
        _attention.Dispose();
        _storage.Dispose();
    }
}
