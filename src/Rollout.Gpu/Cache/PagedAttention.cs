using System.Numerics;
using System.Numerics.Tensors;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Cache;

/// <summary>
/// Attention over a paged float32 cache in host memory. Keys and values are written by slot and read in place, so
/// decode, whole prompts, chunks and cached prefixes are one case, and nothing is padded. Per (tile of query tokens, KV
/// head): all scores, softmax in two passes, weighted sum; a key is loaded for two query vectors at once and stays in
/// the first-level cache for the tile's others.
/// </summary>
internal sealed unsafe class PagedAttention : IAttentionBackend
{
    // Query vectors (tokens × heads of a group) that share a run of keys, and the keys of such a run.
    private const int TileVectors = 16;
    private const int KeyRun = 64;

    // Multiplications below which waking another thread costs more than it brings.
    private const long WorthSharing = 1 << 18;

    private readonly KvCacheShape _shape;
    private readonly AttentionPlan _plan;
    private readonly WorkerTeam _team;
    private readonly float[][] _scores;
    private readonly float* _storage;
    private readonly long _layerStride;
    private readonly long _valueOffset;

    /// <param name="shape">The model's heads.</param>
    /// <param name="geometry">The pool.</param>
    /// <param name="storage">First number of [layers, 2, blocks, block_size, kv_heads, head_dim] float32.</param>
    /// <param name="threads">Threads at most, the caller's included.</param>
    public PagedAttention(KvCacheShape shape, KvCacheGeometry geometry, float* storage, int threads)
    {
        _shape = shape;
        _plan = new AttentionPlan(geometry);
        _team = new WorkerTeam(threads);
        _scores = new float[threads][];
        Array.Fill(_scores, []);
        _storage = storage;
        _valueOffset = (long)geometry.BlockCount * geometry.BlockSize * SlotStride;
        _layerStride = 2 * _valueOffset;
    }

    private int SlotStride => _shape.KvHeadCount * _shape.HeadDim;

    private int QueriesPerKvHead => _shape.HeadCount / _shape.KvHeadCount;

    public void Take(ForwardBatch batch) => _plan.Take(batch, Math.Max(1, TileVectors / QueriesPerKvHead));

    /// <inheritdoc/>
    public Tensor Attend(int layer, Tensor query, Tensor key, Tensor value)
    {
        using var scope = NewDisposeScope();
        var tokens = _plan.Batch.TokenCount;
        var output = empty([tokens, _shape.HeadCount, _shape.HeadDim], ScalarType.Float32);
        fixed (byte* queryBytes = query.contiguous().bytes)
        fixed (byte* keyBytes = key.contiguous().bytes)
        fixed (byte* valueBytes = value.contiguous().bytes)
        fixed (byte* outputBytes = output.bytes)
        fixed (int* slots = _plan.Slots)
        {
            var keys = _storage + (layer * _layerStride);
            var values = keys + _valueOffset;
            Write((float*)keyBytes, keys);
            Write((float*)valueBytes, values);

            var pass = new Pass(this, (float*)queryBytes, keys, values, slots, (float*)outputBytes);
            var work = _plan.Cost * _shape.HeadCount * _shape.HeadDim * 2;
            var parts = work < WorthSharing ? 1 : 4 * _team.Threads;
            _team.Run(parts, (worker, part) => pass.Compute(worker, part, parts));
        }

        return output.MoveToOuterDisposeScope();
    }

    private void Write(float* from, float* cache)
    {
        var batch = _plan.Batch;
        for (var token = 0; token < batch.TokenCount; token++)
        {
            var source = new ReadOnlySpan<float>(from + ((long)token * SlotStride), SlotStride);
            source.CopyTo(new Span<float>(cache + ((long)batch.SlotMapping[token] * SlotStride), SlotStride));
        }
    }

    private float[] ScoresOf(int worker)
    {
        var needed = Math.Max(TileVectors, QueriesPerKvHead) * _plan.LongestContext;
        if (_scores[worker].Length < needed)
            _scores[worker] = new float[Math.Max(needed, 2 * _scores[worker].Length)];
        return _scores[worker];
    }

    private sealed class Pass(
        PagedAttention owner, float* query, float* keys, float* values, int* slots, float* output)
    {
        private readonly int _headDim = owner._shape.HeadDim;
        private readonly int _kvHeads = owner._shape.KvHeadCount;
        private readonly int _group = owner.QueriesPerKvHead;
        private readonly int _stride = owner.SlotStride;
        private readonly float _scale = 1 / MathF.Sqrt(owner._shape.HeadDim);

        public void Compute(int worker, int part, int parts)
        {
            var plan = owner._plan;
            var end = plan.FirstItem(part + 1, parts, _kvHeads);
            fixed (float* scores = owner.ScoresOf(worker))
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
            var (headKeys, headValues) = (keys + (kvHead * _headDim), values + (kvHead * _headDim));

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

        // Of a pair of vectors, the second attends to the same keys or to more: those it has alone come one by one.
        private void Score(
            in AttentionTile tile, int kvHead, int v, int vectors, int from, float* headKeys, int* rowSlots, float* scores,
            int longest)
        {
            var end = from + KeyRun;
            var a = At(query, tile, kvHead, v);
            var (scoresA, scoresB) = (scores + ((long)v * longest), scores + ((long)(v + 1) * longest));
            var shared = Math.Min(end, KeysOf(tile, v));
            if (v + 1 == vectors)
            {
                AttentionLanes.Scores<AttentionLanes.One>(
                    a, a, headKeys, rowSlots + from, shared - from, _stride, _headDim, scoresA + from, scoresA + from);
                return;
            }

            var b = At(query, tile, kvHead, v + 1);
            AttentionLanes.Scores<AttentionLanes.Two>(
                a, b, headKeys, rowSlots + from, shared - from, _stride, _headDim, scoresA + from, scoresB + from);
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
            var (weightsA, weightsB) = (weights + ((long)v * longest), weights + ((long)(v + 1) * longest));
            var shared = Math.Min(end, KeysOf(tile, v));
            if (v + 1 == vectors)
            {
                AttentionLanes.Values<AttentionLanes.One>(
                    weightsA + from, weightsA + from, headValues, rowSlots + from, shared - from, _stride, _headDim, a, a);
                return;
            }

            var b = At(output, tile, kvHead, v + 1);
            AttentionLanes.Values<AttentionLanes.Two>(
                weightsA + from, weightsB + from, headValues, rowSlots + from, shared - from, _stride, _headDim, a, b);
            var rest = Math.Max(from, shared);
            AttentionLanes.Values<AttentionLanes.One>(
                weightsB + rest, weightsB + rest, headValues, rowSlots + rest,
                Math.Min(end, KeysOf(tile, v + 1)) - rest, _stride, _headDim, b, b);
        }

        private int KeysOf(in AttentionTile tile, int v) => tile.Keys + (v / _group);

        // [tokens, heads, head_dim]: vector v of a tile is token v / group, head v mod group of the KV head's group.
        private float* At(float* tensor, in AttentionTile tile, int kvHead, int v)
        {
            var (token, head) = Math.DivRem(v, _group);
            return tensor + ((((long)(tile.Token + token) * _kvHeads + kvHead) * _group + head) * _headDim);
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
}
