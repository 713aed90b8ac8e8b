using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// Causal attention without a cache, for training and as the reference of the cached backends. Every row is a whole
/// sequence, padded on the right to one length. Since attention is causal, such padding needs no mask.
/// </summary>
/// <param name="batch">The number of rows.</param>
/// <param name="length">Tokens of each row, padding included. A pass has batch × length tokens, row by row.</param>
internal sealed class SdpaAttention(int batch, int length) : IAttentionBackend
{
    public Tensor Attend(int layer, Tensor query, Tensor key, Tensor value)
    {
        using var scope = NewDisposeScope();
        var heads = query.size(1);
        var headDim = query.size(2);
        // [batch, heads, length, head_dim]
        var rows = query.view(batch, length, heads, headDim).transpose(1, 2);
        var attended = nn.functional.scaled_dot_product_attention(
            rows, Widened(key, heads), Widened(value, heads), is_casual: true);
        return attended.transpose(1, 2).reshape(-1, heads, headDim).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// [tokens, kv_heads, head_dim] → [batch, heads, length, head_dim], each KV head once for each of its query heads.
    /// </summary>
    private Tensor Widened(Tensor narrow, long heads)
    {
        var kvHeads = narrow.size(1);
        var headDim = narrow.size(2);
        var rows = narrow.view(batch, length, kvHeads, 1, headDim);
        return rows.expand(batch, length, kvHeads, heads / kvHeads, headDim)
            .reshape(batch, length, heads, headDim)
            .transpose(1, 2);
    }
}
