using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels.Cpu;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Cache;

/// <summary>
/// Attention over a paged float32 cache in host memory. It writes keys and values by slot and reads them in place, so
/// that decode, whole prompts, chunks and cached prefixes are one case, and nothing is padded. For each tile of query
/// tokens and KV head it computes all scores, a softmax in two passes, and the weighted sum. A key is loaded for two
/// query vectors at once, and stays in the first-level cache for the tile's others.
/// </summary>
internal sealed unsafe class PagedAttention : IAttentionBackend
{
    // Query vectors (tokens × heads of a group) of a tile, which share the keys that are loaded.
    private const int TileVectors = 16;

    // Below so many multiplications, waking another thread costs more than it saves.
    private const long WorthSharing = 1 << 18;

    private readonly KvCacheShape _shape;
    private readonly AttentionPlan _plan;
    private readonly WorkerTeam _team;
    private readonly float[][] _scores;
    private readonly float* _storage;
    private readonly long _layerStride;
    private readonly long _valueOffset;

    /// <param name="shape">The model's heads.</param>
    /// <param name="geometry">The pool's blocks and their size.</param>
    /// <param name="storage">The address of [layers, 2, blocks, block_size, kv_heads, head_dim] float32.</param>
    /// <param name="threads">The most threads, the caller's included.</param>
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

    /// <summary>Prepares a batch for all layers.</summary>
    public void Prepare(ForwardBatch batch) =>
        _plan.Build(batch, Math.Max(1, TileVectors / _shape.QueriesPerKvHead));

    public Tensor Attend(int layer, Tensor query, Tensor key, Tensor value)
    {
        using var scope = NewDisposeScope();
        var output = empty([_plan.Batch.TokenCount, _shape.HeadCount, _shape.HeadDim], ScalarType.Float32);
        if (_plan.Batch.TokenCount == 0)
            return output.MoveToOuterDisposeScope();

        var keys = _storage + (layer * _layerStride);
        var values = keys + _valueOffset;
        Write(TokenRows.Of(key), keys);
        Write(TokenRows.Of(value), values);
        fixed (int* slots = _plan.Slots)
        {
            var pass = new PagedAttentionPass(
                _shape, _plan, TokenRows.Of(query), keys, values, slots, TokenRows.Of(output));
            var work = _plan.Cost * _shape.HeadCount * _shape.HeadDim * 2;
            var parts = work < WorthSharing ? 1 : 4 * _team.Threads;
            _team.Run(parts, (worker, part) => pass.Compute(ScoresOf(worker), part, parts));
        }

        return output.MoveToOuterDisposeScope();
    }

    private void Write(TokenRows from, float* cache)
    {
        var batch = _plan.Batch;
        for (var token = 0; token < batch.TokenCount; token++)
        {
            var source = new ReadOnlySpan<float>(from[token], SlotStride);
            source.CopyTo(new Span<float>(cache + ((long)batch.SlotMapping[token] * SlotStride), SlotStride));
        }
    }

    private float[] ScoresOf(int worker)
    {
        var needed = Math.Max(TileVectors, _shape.QueriesPerKvHead) * _plan.LongestContext;
        if (_scores[worker].Length < needed)
            _scores[worker] = new float[Math.Max(needed, 2 * _scores[worker].Length)];
        return _scores[worker];
    }
}
