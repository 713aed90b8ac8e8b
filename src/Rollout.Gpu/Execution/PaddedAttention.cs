using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>
/// Attention of a pass whose last rows are padding. The backend gets the other rows alone; padding comes out as
/// zeros.
/// </summary>
/// <param name="backend">The attention of the batch's tokens.</param>
/// <param name="tokens">Rows that are tokens, not padding.</param>
internal sealed class PaddedAttention(IAttentionBackend backend, int tokens) : IAttentionBackend
{
    public Tensor Attend(int layer, Tensor query, Tensor key, Tensor value)
    {
        using var scope = NewDisposeScope();
        var attended = backend.Attend(
            layer, query.narrow(0, 0, tokens), key.narrow(0, 0, tokens), value.narrow(0, 0, tokens));
        var padding = zeros([query.size(0) - tokens, query.size(1), query.size(2)], query.dtype, query.device);
        return cat([attended, padding], 0).MoveToOuterDisposeScope();
    }
}
