using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>What attends, or its gradient.</summary>
/// <param name="Query">[tokens, heads, head_dim].</param>
/// <param name="Key">[tokens, kv_heads, head_dim].</param>
/// <param name="Value">[tokens, kv_heads, head_dim].</param>
internal sealed record HeadTensors(Tensor Query, Tensor Key, Tensor Value) : IDisposable
{
    public void Dispose()
    {
        Query.Dispose();
        Key.Dispose();
        Value.Dispose();
    }
}

/// <summary>What the gradient of one layer's attention needs beside queries, keys and values.</summary>
/// <param name="Own">The results over each token's own sequence; the first is [tokens, heads, head_dim], merged.</param>
/// <param name="Shared">Those over shared prompts, which are merged into them; empty without any.</param>
internal sealed record Attended(Tensor[] Own, Tensor[] Shared) : IDisposable
{
    public Tensor Output => Own[0];

    public void Dispose()
    {
        foreach (var tensor in Own.Concat(Shared))
            tensor.Dispose();
    }
}

/// <summary>
/// Causal attention within each sequence of a packed layout and to the prompt that its group shares, and its gradient.
/// In bfloat16 it is libtorch's flash attention (Dao 2023, arXiv 2307.08691) with grouped heads, once over own tokens
/// and once over shared prompts, merged by their log-sum-exp; given the merged results, both gradients are those of the
/// one softmax. In float32, which that does not take, it is plain attention, computed again for the gradient.
/// </summary>
/// <param name="input">The sequences.</param>
/// <param name="kernels">Merge the two.</param>
internal sealed class PackedAttention(PackedInput input, TrainingKernels kernels)
{
    private const int FlashResults = 5; // output, logsumexp, two of the dropout's random state, a debug mask

    private readonly long _longest = Longest(input.Layout.Starts);
    private readonly long _longestQueries = Longest(input.Layout.QueryStarts);
    private readonly long _longestKeys = Longest(input.Layout.KeyStarts);

    /// <summary>Attends; the caller owns the result.</summary>
    public Attended Forward(HeadTensors heads)
    {
        var (query, key, value) = heads;
        if (query.dtype != ScalarType.BFloat16)
            return new Attended([PlainAttention.Forward(input.Layout, heads)], []);
        Tensor[] Flash(Tensor queries, Tensor keys, long longestQueries, long longestKeys, bool causal) =>
            new OperatorCall("aten::_flash_attention_forward")
                .Add(query).Add(key).Add(value)
                .AddOptional(queries).AddOptional(keys).Add(longestQueries).Add(longestKeys)
                .Add(0.0).Add(causal).Add(value: false)
                .Allocating(() => [empty_like(query), LogSumExp(query)])
                .Run(FlashResults);
        var own = Flash(input.Starts, input.Starts, _longest, _longest, causal: true);
        if (!input.Layout.IsShared)
            return new Attended(own, []);
        var shared = Flash(input.QueryStarts, input.KeyStarts, _longestQueries, _longestKeys, causal: false);
        kernels.MergeShared(
            CudaStream.OfTorch, TorchTensors.Pointer(own[0]), TorchTensors.Pointer(own[1]),
            TorchTensors.Pointer(shared[0]), TorchTensors.Pointer(shared[1]), input.TokenCount);
        shared[0].Dispose(); // the gradient needs the merged one only
        return new Attended(own, shared);
    }

    /// <summary>dLoss/d(query, key, value) of dLoss/doutput [tokens, heads, head_dim]. The caller owns them.</summary>
    public HeadTensors Backward(HeadTensors heads, Attended attended, Tensor gradient)
    {
        if (gradient.dtype != ScalarType.BFloat16)
            return PlainAttention.Backward(input.Layout, heads, gradient);
        Tensor[] Flash(Tensor[] state, Tensor queries, Tensor keys, long longestQueries, long longestKeys, bool causal) =>
            new OperatorCall("aten::_flash_attention_backward")
                .Add(gradient).Add(heads.Query).Add(heads.Key).Add(heads.Value)
                .Add(attended.Output).Add(attended.Own[1])
                .Add(queries).Add(keys).Add(longestQueries).Add(longestKeys)
                .Add(0.0).Add(causal)
                .Add(state[2]).Add(state[3])
                .Allocating(() => BackwardMemory(heads))
                .Run(3);
        var own = Flash(attended.Own, input.Starts, input.Starts, _longest, _longest, causal: true);
        if (attended.Shared.Length > 0)
        {
            var shared = Flash(
                attended.Shared, input.QueryStarts, input.KeyStarts, _longestQueries, _longestKeys, causal: false);
            foreach (var (sum, more) in own.Zip(shared))
            {
                sum.add_(more, Scalars.One);
                more.Dispose();
            }
        }

        return new HeadTensors(own[0], own[1], own[2]);
    }

    private static Tensor LogSumExp(Tensor query) =>
        empty([query.shape[1], query.shape[0]], dtype: ScalarType.Float32, device: query.device); // [heads, tokens]

    /// <summary>The gradients, those of keys and values before the heads of a group are summed, and the sum for the queries.</summary>
    private static Tensor[] BackwardMemory(HeadTensors heads)
    {
        var (query, key, value) = heads;
        return
        [
            empty_like(query), empty_like(key), empty_like(value),
            empty_like(query), empty_like(query),                   // [tokens, heads, head_dim]
            empty_like(query, dtype: ScalarType.Float32), LogSumExp(query),
        ];
    }

    private static int Longest(List<int> starts) => starts.Zip(starts.Skip(1)).Max(pair => pair.Second - pair.First);
}
