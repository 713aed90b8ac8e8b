using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Attention over a packed layout by libtorch's plain attention, one sequence after another: exact in float32, and slow.
/// </summary>
internal static class PlainAttention
{
    /// <summary>[tokens, heads, head_dim] of queries, and of keys and values [tokens, kv_heads, head_dim].</summary>
    public static Tensor Forward(PackedLayout layout, Tensor query, Tensor key, Tensor value)
    {
        using var scope = NewDisposeScope();
        var parts = Enumerable.Range(0, layout.Starts.Count - 1).Select(i => Sequence(layout, i, query, key, value));
        return cat([.. parts]).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>The gradients of query, key and value, for which the attention is computed again.</summary>
    public static (Tensor Query, Tensor Key, Tensor Value) Backward(
        PackedLayout layout, Attended attended, Tensor gradient)
    {
        using var withGradient = enable_grad();
        using var scope = NewDisposeScope();
        static Tensor Leaf(Tensor tensor) => tensor.detach().requires_grad_();
        var (query, key, value) = (Leaf(attended.Query), Leaf(attended.Key), Leaf(attended.Value));
        Forward(layout, query, key, value).backward([gradient]);
        return (
            query.grad!.MoveToOuterDisposeScope(), key.grad!.MoveToOuterDisposeScope(),
            value.grad!.MoveToOuterDisposeScope());
    }

    private static Tensor Sequence(PackedLayout layout, int sequence, Tensor query, Tensor key, Tensor value)
    {
        var (first, end, part) = (layout.Starts[sequence], layout.Starts[sequence + 1], layout.PartOf[sequence]);
        var prompt = part < 0 ? 0 : layout.KeyStarts[part + 1] - layout.KeyStarts[part];
        // [1, heads, tokens, head_dim], a KV head once for each of its query heads, the shared prompt first
        Tensor Keys(Tensor all)
        {
            var own = all.narrow(0, first, end - first);
            var whole = part < 0 ? own : cat([all.narrow(0, layout.KeyStarts[part], prompt), own]);
            return whole.repeat_interleave(query.size(1) / all.size(1), 1).transpose(0, 1).unsqueeze(0);
        }

        var queries = query.narrow(0, first, end - first).transpose(0, 1).unsqueeze(0);
        var mask = ones([end - first, prompt + end - first], ScalarType.Bool, query.device).tril(prompt);
        return nn.functional.scaled_dot_product_attention(queries, Keys(key), Keys(value), mask)
            .squeeze(0).transpose(0, 1);
    }
}
