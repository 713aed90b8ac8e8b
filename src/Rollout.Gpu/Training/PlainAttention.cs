using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Attention over a packed layout by libtorch's plain attention, one sequence after another: exact in float32, and slow.
/// </summary>
internal static class PlainAttention
{
    /// <summary>[tokens, heads, head_dim] what the queries attend to.</summary>
    public static Tensor Forward(PackedLayout layout, HeadTensors heads)
    {
        using var scope = NewDisposeScope();
        var (query, key, value) = heads;
        var parts = Enumerable.Range(0, layout.Starts.Count - 1).Select(i => Sequence(layout, i, query, key, value));
        return cat([.. parts]).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>The gradients of query, key and value, for which the attention is computed again.</summary>
    public static HeadTensors Backward(PackedLayout layout, HeadTensors heads, Tensor gradient)
    {
        using var withGradient = enable_grad();
        using var scope = NewDisposeScope();
        static Tensor Leaf(Tensor tensor) => tensor.detach().requires_grad_();
        var leaves = new HeadTensors(Leaf(heads.Query), Leaf(heads.Key), Leaf(heads.Value));
        Forward(layout, leaves).backward([gradient]);
        static Tensor Slope(Tensor leaf) => leaf.grad!.MoveToOuterDisposeScope();
        return new HeadTensors(Slope(leaves.Query), Slope(leaves.Key), Slope(leaves.Value));
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
