using Rollout.Gpu.Contracts;
using static TorchSharp.torch;

namespace Rollout.Gpu.Kernels;

/// <summary>The sizes that kernels are compiled for, which are constants in their code.</summary>
/// <param name="HeadDim">Numbers of a head, a multiple of 8.</param>
/// <param name="QueryHeads">Query heads, a multiple of <paramref name="KvHeads"/>.</param>
/// <param name="KvHeads">Heads of keys and values.</param>
/// <param name="BlockSize">Tokens of a KV block.</param>
/// <param name="Dtype">The type of activations, weights and cache: BFloat16 or Float32.</param>
internal sealed record KernelShape(int HeadDim, int QueryHeads, int KvHeads, int BlockSize, ScalarType Dtype)
{
    /// <summary>The most query vectors of a work item, and so the most query heads that share a KV head.</summary>
    public const int MaxVectors = 64;

    private const int MaxHeadDim = 256;

    /// <summary>The type of the logits that are sampled from: the model's, or a wider one.</summary>
    public ScalarType LogitsDtype { get; init; } = Dtype;

    /// <summary>Query heads that share a KV head.</summary>
    public int QueriesPerKvHead => QueryHeads / KvHeads;

    /// <summary>Tokens of a work item, each with the query heads of one KV head.</summary>
    public int TokensPerItem => MaxVectors / QueriesPerKvHead;

    public int ElementBytes => Dtype == ScalarType.BFloat16 ? 2 : 4;

    /// <summary>The shape for a model's cache.</summary>
    /// <exception cref="UnsupportedModelException">The kernels don't support the shape.</exception>
    public static KernelShape Of(KvCacheShape shape, int blockSize, ScalarType dtype) =>
        new KernelShape(shape.HeadDim, shape.HeadCount, shape.KvHeadCount, blockSize, dtype).Checked();

    /// <summary>Returns this shape if the kernels support it.</summary>
    /// <exception cref="UnsupportedModelException">The kernels don't support the shape.</exception>
    public KernelShape Checked() => this switch
    {
        { Dtype: not (ScalarType.BFloat16 or ScalarType.Float32) } =>
            throw new UnsupportedModelException($"The GPU kernels take BFloat16 or Float32, and the dtype is {Dtype}."),
        _ when HeadDim is < 8 or > MaxHeadDim || HeadDim % 8 != 0 =>
            throw new UnsupportedModelException(
                $"The GPU kernels take heads of a multiple of 8 numbers up to {MaxHeadDim}, and head_dim is {HeadDim}."),
        _ when KvHeads < 1 || QueryHeads < 1 =>
            throw new UnsupportedModelException(
                $"A model needs query heads and KV heads, and this one has {QueryHeads} and {KvHeads}."),
        _ when QueryHeads % KvHeads != 0 || QueriesPerKvHead > MaxVectors => throw new UnsupportedModelException(
            $"The GPU kernels take up to {MaxVectors} query heads for each KV head, all KV heads alike, and there are "
            + $"{QueryHeads} for {KvHeads}."),
        { BlockSize: < 1 } => throw new UnsupportedModelException(
            $"A KV block holds at least 1 token, and block-size is {BlockSize}."),
        _ => this,
    };
}
