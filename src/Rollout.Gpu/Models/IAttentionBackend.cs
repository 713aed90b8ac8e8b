using TorchSharp;

namespace Rollout.Gpu.Models;

/// <summary>
/// Attention of one forward pass: knows which tokens belong together and where earlier keys and values are.
/// The model is the same for rollout (paged, contiguous) and training (plain causal); this is what differs.
/// </summary>
internal interface IAttentionBackend
{
    /// <summary>Stores keys and values of this pass (if it caches) and attends, causally within each sequence.</summary>
    /// <param name="layer">The decoder layer, from 0.</param>
    /// <param name="query">[tokens, heads, head_dim], rotated.</param>
    /// <param name="key">[tokens, kv_heads, head_dim], rotated.</param>
    /// <param name="value">[tokens, kv_heads, head_dim].</param>
    /// <returns>[tokens, heads, head_dim].</returns>
    torch.Tensor Attend(int layer, torch.Tensor query, torch.Tensor key, torch.Tensor value);
}
