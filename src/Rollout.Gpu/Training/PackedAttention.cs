using Rollout.Gpu.Interop;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>What the gradient of one layer's attention needs.</summary>
/// <param name="Query">[tokens, heads, head_dim].</param>
/// <param name="Key">[tokens, kv_heads, head_dim].</param>
/// <param name="Value">[tokens, kv_heads, head_dim].</param>
/// <param name="Results">The operator's results; the first is [tokens, heads, head_dim].</param>
internal sealed record Attended(Tensor Query, Tensor Key, Tensor Value, Tensor[] Results) : IDisposable
{
    public Tensor Output => Results[0];

    public void Dispose()
    {
        foreach (var tensor in (Tensor[])[Query, Key, Value, .. Results])
            tensor.Dispose();
    }
}

/// <summary>
/// Causal attention within each of the packed sequences, and its gradient. In bfloat16 it is libtorch's flash attention
/// (Dao 2023, arXiv 2307.08691) with grouped heads and lengths of its own for each sequence; in float32, which that
/// does not take, one sequence after another by libtorch's plain attention, computed again for the gradient.
/// </summary>
/// <param name="input">The sequences.</param>
internal sealed class PackedAttention(PackedInput input)
{
    private const int FlashResults = 5; // output, logsumexp, two of the dropout's random state, a debug mask

    /// <summary>Attends; the caller owns the result, and the arguments with it.</summary>
    public Attended Forward(Tensor query, Tensor key, Tensor value)
    {
        if (query.dtype != ScalarType.BFloat16)
            return new Attended(query, key, value, [Plain(query, key, value)]);
        var results = new OperatorCall("aten::_flash_attention_forward")
            .Add(query).Add(key).Add(value)
            .AddOptional(input.Starts).AddOptional(input.Starts)
            .Add((long)input.Longest).Add((long)input.Longest)
            .Add(0.0).Add(value: true).Add(value: false)
            .Run(FlashResults);
        return new Attended(query, key, value, results);
    }

    /// <summary>dLoss/d(query, key, value) of dLoss/doutput [tokens, heads, head_dim]. The caller owns them.</summary>
    public (Tensor Query, Tensor Key, Tensor Value) Backward(Attended attended, Tensor gradient)
    {
        if (gradient.dtype != ScalarType.BFloat16)
            return PlainBackward(attended, gradient);
        var results = new OperatorCall("aten::_flash_attention_backward")
            .Add(gradient).Add(attended.Query).Add(attended.Key).Add(attended.Value)
            .Add(attended.Output).Add(attended.Results[1])
            .Add(input.Starts).Add(input.Starts)
            .Add((long)input.Longest).Add((long)input.Longest)
            .Add(0.0).Add(value: true)
            .Add(attended.Results[2]).Add(attended.Results[3])
            .Run(3);
        return (results[0], results[1], results[2]);
    }

    private Tensor Plain(Tensor query, Tensor key, Tensor value)
    {
        using var scope = NewDisposeScope();
        var parts = Enumerable.Range(0, input.SequenceCount)
            .Select(sequence => Sequence(Part(query, sequence), Part(key, sequence), Part(value, sequence)));
        return cat([.. parts]).contiguous().MoveToOuterDisposeScope();
    }

    private (Tensor, Tensor, Tensor) PlainBackward(Attended attended, Tensor gradient)
    {
        using var withGradient = enable_grad();
        using var scope = NewDisposeScope();
        Tensor Leaf(Tensor tensor) => tensor.detach().requires_grad_();
        var (query, key, value) = (Leaf(attended.Query), Leaf(attended.Key), Leaf(attended.Value));
        Plain(query, key, value).backward([gradient]);
        return (
            query.grad!.MoveToOuterDisposeScope(), key.grad!.MoveToOuterDisposeScope(), value.grad!.MoveToOuterDisposeScope());
    }

    private Tensor Part(Tensor packed, int sequence) => packed.narrow(
        0, input.StartsOnHost[sequence], input.StartsOnHost[sequence + 1] - input.StartsOnHost[sequence]);

    private static Tensor Sequence(Tensor query, Tensor key, Tensor value) =>
        new Models.SdpaAttention(1, (int)query.size(0)).Attend(0, query, key, value);
}
