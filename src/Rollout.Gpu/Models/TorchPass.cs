using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// A forward pass by libtorch's operators, on any device, with gradients where they are enabled. Operations dispose
/// of their inputs; a gradient keeps what it needs.
/// </summary>
/// <param name="tokenIds">[tokens] int64.</param>
/// <param name="rotary">The model's rotary embedding.</param>
/// <param name="angles">The angles of the tokens' positions.</param>
/// <param name="backend">Knows which tokens belong together.</param>
internal sealed class TorchPass(
    Tensor tokenIds, RotaryEmbedding rotary, RotaryAngles angles, IAttentionBackend backend) : IForwardPass<Tensor>
{
    // The gradient adds the rows of equal tokens, always in the same order: on a CPU index_select does (index's threads
    // race), on a GPU index does (it sorts; index_select races).
    public Tensor Embed(Projection table) => tokenIds.device_type == DeviceType.CPU
        ? table.Weight.index_select(0, tokenIds)
        : table.Weight.index(tokenIds);

    public Tensor Norm(Tensor input, RmsNorm norm) => norm.Forward(input);

    public Tensor AddAndNorm(ref Tensor residual, Tensor update, RmsNorm norm)
    {
        // The sum overwrites a projection's result, which no gradient needs.
        update.add_(residual, Scalars.One);
        residual.Dispose();
        residual = update;
        return norm.Forward(update);
    }

    public Tensor Project(Tensor input, Projection projection)
    {
        using var used = input;
        return projection.Forward(used);
    }

    public Tensor Attend(Tensor heads, Attention attention)
    {
        using var used = heads;
        using var scope = NewDisposeScope();
        var tokens = used.size(0);
        var rotating = attention.HeadCount + attention.KvHeadCount;
        var all = used.view(tokens, rotating + attention.KvHeadCount, attention.HeadDim);
        var value = all.narrow(1, rotating, attention.KvHeadCount); // [tokens, kv_heads, head_dim]
        var queryAndKey = all.narrow(1, 0, rotating);               // [tokens, heads + kv_heads, head_dim]
        if (attention.QkNorm is { } norm)
            queryAndKey = norm.Forward(queryAndKey);

        var rotated = rotary.Rotate(queryAndKey, angles).split(attention.QueryAndKeyHeads, 1);
        var attended = backend.Attend(attention.Layer, rotated[0], rotated[1], value); // [tokens, heads, head_dim]
        return attended.reshape(tokens, -1).MoveToOuterDisposeScope();
    }

    public Tensor Gate(Tensor halves)
    {
        using var used = halves;
        using var scope = NewDisposeScope();
        var parts = used.chunk(2, -1); // gate, up: [tokens, intermediate]
        return nn.functional.silu(parts[0]).mul(parts[1]).MoveToOuterDisposeScope();
    }
}
