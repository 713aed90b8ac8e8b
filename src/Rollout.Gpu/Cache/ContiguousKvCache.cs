using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Cache;

/// <summary>
/// The plain baseline: one row of the longest length for every sequence, [layers, 2, rows, max_len, kv_heads,
/// head_dim]. A row is a block of max_len tokens, so block tables have one entry and forking copies the whole
/// row.
/// </summary>
internal sealed class ContiguousKvCache : IKvCache
{
    private readonly Tensor _storage;
    private readonly ContiguousAttention _attention;

    /// <param name="shape">The model's layers and heads.</param>
    /// <param name="geometry">As many blocks as rows; the block size is the longest length.</param>
    /// <param name="dtype">Of keys and values.</param>
    /// <param name="device">Where they are.</param>
    /// <exception cref="DeviceFaultException">The memory is not there.</exception>
    public ContiguousKvCache(KvCacheShape shape, KvCacheGeometry geometry, ScalarType dtype, Device device)
    {
        Geometry = geometry;

        // Zeros: a masked key has weight 0, and 0 × whatever was in the memory must not be NaN.
        _storage = KvStorage.Allocate(shape, geometry, dtype, device, zero: true);
        _attention = new ContiguousAttention(shape, geometry, _storage);
    }

    /// <inheritdoc/>
    public KvCacheGeometry Geometry { get; }

    /// <inheritdoc/>
    public void CopyBlocks(IReadOnlyList<BlockCopy> copies) => KvStorage.CopyBlocks(_storage, copies);

    /// <inheritdoc/>
    public IAttentionBackend Bind(ForwardBatch batch)
    {
        _attention.Take(batch);
        return _attention;
    }

    public void Dispose()
    {
        _attention.Dispose();
        _storage.Dispose();
    }
}
