using System.Numerics;
using System.Numerics.Tensors;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Kernels.Cpu;

/// <summary>The attention of one batch in one layer. Workers share it while they compute its parts.</summary>
/// <param name="shape">The model's heads.</param>
/// <param name="plan">The batch.</param>
/// <param name="query">[tokens, heads, head_dim].</param>
/// <param name="keys">The layer's keys: [slots, kv_heads, head_dim].</param>
/// <param name="values">The layer's values, in the same shape.</param>
/// <param name="slots">The plan's slots.</param>
/// <param name="output">[tokens, heads, head_dim], written.</param>
internal sealed unsafe class PagedAttentionPass(
    KvCacheShape shape, AttentionPlan plan, TokenRows query, float* keys, float* values, int* slots,
    TokenRows output)
{
    // Keys that stay in the first-level cache while all query vectors of a tile use them.
    private const int KeyRun = 64;

    private readonly int _headDim = shape.HeadDim;
    private readonly int _kvHeads = shape.KvHeadCount;
    private readonly int _group = shape.QueriesPerKvHead;
    private readonly int _stride = shape.KvHeadCount * shape.HeadDim;
    private readonly float _scale = 1 / MathF.Sqrt(shape.HeadDim);

    /// <summary>Computes one part. All parts are equal work.</summary>
    /// <param name="scratch">Room for the longest context for each vector of a tile.</param>
    /// <param name="part">The part, from 0.</param>
    /// <param name="parts">The number of parts.</param>
    public void Compute(float[] scratch, int part, int parts)
    {
        var end = plan.FirstItem(part + 1, parts, _kvHeads);
        fixed (float* scores = scratch)
        {
            for (var item = plan.FirstItem(part, parts, _kvHeads); item < end; item++)
                Compute(plan.Tile(item / _kvHeads), item % _kvHeads, scores);
        }
    }

    private void Compute(in AttentionTile tile, int kvHead, float* scores)
    {
        var vectors = tile.Count * _group;
        var longest = tile.Keys + tile.Count - 1;
        var rowSlots = slots + tile.SlotStart;
        var headKeys = keys + (kvHead * _headDim);
        var headValues = values + (kvHead * _headDim);

        for (var from = 0; from < longest; from += KeyRun)
        {
            for (var v = 0; v < vectors; v += 2)
                Score(tile, kvHead, v, vectors, from, headKeys, rowSlots, scores, longest);
        }

        for (var v = 0; v < vectors; v++)
            new Span<float>(At(output, tile, kvHead, v), _headDim).Clear();
        var sums = stackalloc float[vectors];
        for (var v = 0; v < vectors; v++)
            sums[v] = Exponentiate(scores + ((long)v * longest), KeysOf(tile, v));
        for (var from = 0; from < longest; from += KeyRun)
        {
            for (var v = 0; v < vectors; v += 2)
                Add(tile, kvHead, v, vectors, from, headValues, rowSlots, scores, longest);
        }

        for (var v = 0; v < vectors; v++)
        {
            var result = new Span<float>(At(output, tile, kvHead, v), _headDim);
            TensorPrimitives.Divide(result, sums[v], result);
        }
    }

    // The second vector of a pair attends to the first one's keys and maybe more, which it scores alone.
    private void Score(
        in AttentionTile tile, int kvHead, int v, int vectors, int from, float* headKeys, int* rowSlots,
        float* scores, int longest)
    {
        var end = from + KeyRun;
        var a = At(query, tile, kvHead, v);
        var scoresA = scores + ((long)v * longest);
        var scoresB = scoresA + longest;
        var shared = Math.Min(end, KeysOf(tile, v));
        if (v + 1 == vectors)
        {
            AttentionLanes.Scores<AttentionLanes.One>(
                a, a, headKeys, rowSlots + from, shared - from, _stride, _headDim,
                scoresA + from, scoresA + from);
            return;
        }

        var b = At(query, tile, kvHead, v + 1);
        AttentionLanes.Scores<AttentionLanes.Two>(
            a, b, headKeys, rowSlots + from, shared - from, _stride, _headDim,
            scoresA + from, scoresB + from);
        var rest = Math.Max(from, shared);
        AttentionLanes.Scores<AttentionLanes.One>(
            b, b, headKeys, rowSlots + rest, Math.Min(end, KeysOf(tile, v + 1)) - rest, _stride, _headDim,
            scoresB + rest, scoresB + rest);
    }

    private void Add(
        in AttentionTile tile, int kvHead, int v, int vectors, int from, float* headValues, int* rowSlots,
        float* weights, int longest)
    {
        var end = from + KeyRun;
        var a = At(output, tile, kvHead, v);
        var weightsA = weights + ((long)v * longest);
        var weightsB = weightsA + longest;
        var shared = Math.Min(end, KeysOf(tile, v));
        if (v + 1 == vectors)
        {
            AttentionLanes.Values<AttentionLanes.One>(
                weightsA + from, weightsA + from, headValues, rowSlots + from, shared - from, _stride,
                _headDim, a, a);
            return;
        }

        var b = At(output, tile, kvHead, v + 1);
        AttentionLanes.Values<AttentionLanes.Two>(
            weightsA + from, weightsB + from, headValues, rowSlots + from, shared - from, _stride,
            _headDim, a, b);
        var rest = Math.Max(from, shared);
        AttentionLanes.Values<AttentionLanes.One>(
            weightsB + rest, weightsB + rest, headValues, rowSlots + rest,
            Math.Min(end, KeysOf(tile, v + 1)) - rest, _stride, _headDim, b, b);
    }

    private int KeysOf(in AttentionTile tile, int v) => tile.Keys + (v / _group);

    // [tokens, heads, head_dim]: vector v of a tile is token v / group and head v mod group of the KV head's group.
    private float* At(TokenRows tensor, in AttentionTile tile, int kvHead, int v)
    {
        var (token, head) = Math.DivRem(v, _group);
        return tensor[tile.Token + token] + (((kvHead * _group) + head) * _headDim);
    }

    // score → exp(scale · (score − largest)); returns the sum, added in a fixed order.
    private float Exponentiate(float* scores, int count)
    {
        var row = new Span<float>(scores, count);
        var largest = TensorPrimitives.Max<float>(row);
        TensorPrimitives.Subtract(row, largest, row);
        TensorPrimitives.Multiply(row, _scale, row);
        TensorPrimitives.Exp<float>(row, row);
        var sums = Vector<float>.Zero;
        var j = 0;
        for (; j <= count - Vector<float>.Count; j += Vector<float>.Count)
            sums += Vector.Load(scores + j);
        var sum = Vector.Sum(sums);
        for (; j < count; j++)
            sum += scores[j];
        return sum;
    }
}
