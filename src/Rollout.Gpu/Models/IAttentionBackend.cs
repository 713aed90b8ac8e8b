using TorchSharp;

namespace Rollout.Gpu.Models;

/// <summary>
/// The attention of one forward pass. It knows which tokens belong together and where earlier keys and values are.
/// Rollout (paged, contiguous) and training (plain causal) differ only in their backend.
/// </summary>
internal interface IAttentionBackend
{
    /// <summary>
    /// Stores the pass's keys and values if it has a cache, and attends causally within each sequence.
    /// </summary>
    /// <param name="layer">The decoder layer, from 0.</param>
    /// <param name="query">[tokens, heads, head_dim], rotated.</param>
    /// <param name="key">[tokens, kv_heads, head_dim], rotated.</param>
    /// <param name="value">[tokens, kv_heads, head_dim].</param>
    /// <returns>[tokens, heads, head_dim].</returns>
    torch.Tensor Attend(int layer, torch.Tensor query, torch.Tensor key, torch.Tensor value);
}
