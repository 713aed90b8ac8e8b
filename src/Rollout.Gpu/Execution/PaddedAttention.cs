using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>Attention of a pass whose last rows are padding: the backend never sees them, and they come out as zeros.</summary>
/// <param name="backend">Attends the tokens of the batch.</param>
/// <param name="tokens">How many of the rows are tokens.</param>
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
