using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Cache;

/// <summary>
/// The keys and values of one device: allocated once, addressed by block and slot. <c>PagedKvCache</c> shares blocks
/// among sequences of any length; <c>ContiguousKvCache</c> is the plain baseline, one block of the longest length a row.
/// </summary>
internal interface IKvCache : IDisposable
{
    KvCacheGeometry Geometry { get; }

    /// <summary>Copies whole blocks of all layers, all sources read before any destination is written.</summary>
    void CopyBlocks(IReadOnlyList<BlockCopy> copies);

    /// <summary>Attention over this cache for one batch; valid until the next call.</summary>
    IAttentionBackend Bind(ForwardBatch batch);
}
