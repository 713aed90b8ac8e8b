using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Cache;

/// <summary>
/// The keys and values of one device, allocated once and addressed by block and slot. <c>PagedKvCache</c> shares
/// blocks among sequences of any length; <c>ContiguousKvCache</c> is the baseline, one block of the longest length
/// for each row.
/// </summary>
internal interface IKvCache : IDisposable
{
    KvCacheGeometry Geometry { get; }

    /// <summary>Copies whole blocks of all layers. All sources are read before any destination is written.</summary>
    void CopyBlocks(IReadOnlyList<BlockCopy> copies);

    /// <summary>Prepares attention over this cache for one batch. Valid until the next call.</summary>
    IAttentionBackend Bind(ForwardBatch batch);
}
