using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Rollout.Gpu.Cache;

/// <summary>
/// Attention over a contiguous cache by torch's scaled_dot_product_attention. Decode rows are computed together,
/// padded to the longest context under a mask, as static batching does; rows of several tokens are computed one by
/// one.
/// </summary>
internal sealed class ContiguousAttention(KvCacheShape shape, KvCacheGeometry geometry, Tensor storage)
    : IAttentionBackend, IDisposable
{
    // [max_len] 0, 1, …
    private readonly Tensor _positions =
        tensor(Enumerable.Range(0, geometry.BlockSize).ToArray(), device: storage.device)
            .DetachFromDisposeScope();

    private readonly List<int> _decodeRows = [];
    private readonly List<int> _promptRows = [];
    private ForwardBatch _batch = new();
    private int _longest;
    private bool _decodesAll;
    private bool _neighbours;

    // These live until the next batch: the slots of its tokens, and for its decode rows the tokens, the rows of the
    // cache and the mask [rows, 1, 1, longest].
    private Tensor? _slots;
    private Tensor? _decodeTokens;
    private Tensor? _cacheRows;
    private Tensor? _mask;

    /// <summary>Prepares a batch for all layers.</summary>
    public void Prepare(ForwardBatch batch)
    {
        DisposeBatch();
        _batch = batch;
        _decodeRows.Clear();
        _promptRows.Clear();
        for (var row = 0; row < batch.RowCount; row++)
        {
            Check(batch, row);
            (batch.QueryStart[row + 1] - batch.QueryStart[row] == 1 ? _decodeRows : _promptRows).Add(row);
        }

        using var scope = NewDisposeScope();
        _slots = OnDevice(batch.SlotMapping.Take(batch.TokenCount));
        _decodesAll = _decodeRows.Count == batch.TokenCount;
        if (_decodeRows.Count == 0)
            return;

        _longest = _decodeRows.Max(row => batch.ContextLengths[row]);
        _decodeTokens = OnDevice(_decodeRows.Select(row => batch.QueryStart[row]));
        _cacheRows = OnDevice(_decodeRows.Select(CacheRow));
        _neighbours = _decodeRows.Index().All(row => CacheRow(row.Item) == CacheRow(_decodeRows[0]) + row.Index);
        using var lengths = OnDevice(_decodeRows.Select(row => batch.ContextLengths[row]));
        _mask = _positions.narrow(0, 0, _longest).unsqueeze(0).lt(lengths.unsqueeze(1)) // [rows, longest]
            .unsqueeze(1).unsqueeze(1).DetachFromDisposeScope();
    }

    public Tensor Attend(int layer, Tensor query, Tensor key, Tensor value)
    {
        using var scope = NewDisposeScope();
        var keys = storage.select(0, layer).select(0, 0);   // [rows, max_len, kv_heads, head_dim]
        var values = storage.select(0, layer).select(0, 1);
        keys.view([-1, shape.KvHeadCount, shape.HeadDim]).index_copy_(0, _slots!, key);
        values.view([-1, shape.KvHeadCount, shape.HeadDim]).index_copy_(0, _slots!, value);

        if (_decodesAll)
            return Decode(query, keys, values).MoveToOuterDisposeScope();

        var output = empty_like(query);
        if (_decodeRows.Count > 0)
        {
            var decoded = Decode(query.index_select(0, _decodeTokens!), keys, values);
            output.index_copy_(0, _decodeTokens!, decoded);
        }

        foreach (var row in _promptRows)
        {
            var (first, end) = (_batch.QueryStart[row], _batch.QueryStart[row + 1]);
            var result = Prompt(row, query.narrow(0, first, end - first), keys, values);
            output.narrow(0, first, end - first).copy_(result);
        }

        return output.MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        DisposeBatch();
        _positions.Dispose();
    }

    private void DisposeBatch()
    {
        _slots?.Dispose();
        _decodeTokens?.Dispose();
        _cacheRows?.Dispose();
        _mask?.Dispose();
        (_slots, _decodeTokens, _cacheRows, _mask) = (null, null, null, null);
    }

    // query [rows, heads, head_dim] → [rows, heads, head_dim]. The query heads of a KV head take the place of SDPA's
    // query tokens: with one token a row they attend to the same keys, which then need no copy for each head.
    private Tensor Decode(Tensor query, Tensor keys, Tensor values)
    {
        var grouped = query.reshape(-1, shape.KvHeadCount, shape.QueriesPerKvHead, shape.HeadDim);
        return scaled_dot_product_attention(grouped, OfDecodeRows(keys), OfDecodeRows(values), _mask)
            .reshape(-1, shape.HeadCount, shape.HeadDim);
    }

    // [rows, max_len, kv_heads, head_dim] → [decode rows, kv_heads, longest, head_dim]. A view where the rows are
    // neighbours, as they are until the first sequence has finished.
    private Tensor OfDecodeRows(Tensor cached)
    {
        var padded = cached.narrow(1, 0, _longest);
        var rows = _neighbours
            ? padded.narrow(0, CacheRow(_decodeRows[0]), _decodeRows.Count)
            : padded.index_select(0, _cacheRows!);
        return rows.transpose(1, 2);
    }

    // query [tokens, heads, head_dim] → [tokens, heads, head_dim]. Token i attends to what came before the chunk, and
    // to tokens 0 … i.
    private Tensor Prompt(int row, Tensor query, Tensor keys, Tensor values)
    {
        var (tokens, context) = (query.shape[0], _batch.ContextLengths[row]);
        var rowKeys = keys.narrow(0, CacheRow(row), 1).narrow(1, 0, context).transpose(1, 2);
        var rowValues = values.narrow(0, CacheRow(row), 1).narrow(1, 0, context).transpose(1, 2);
        var seen = tokens == context
            ? null
            : ones([tokens, context], ScalarType.Bool, storage.device).tril(context - tokens);
        return scaled_dot_product_attention(
            query.transpose(0, 1).unsqueeze(0), PerQueryHead(rowKeys), PerQueryHead(rowValues), seen,
            is_casual: seen is null).squeeze(0).transpose(0, 1);
    }

    // [rows, kv_heads, length, head_dim] → [rows, heads, length, head_dim], each head once for each query head that
    // uses it.
    private Tensor PerQueryHead(Tensor tensor)
    {
        if (shape.QueriesPerKvHead == 1)
            return tensor;
        var (rows, length) = (tensor.shape[0], tensor.shape[2]);
        return tensor.unsqueeze(2)
            .expand(rows, shape.KvHeadCount, shape.QueriesPerKvHead, length, shape.HeadDim)
            .reshape(rows, shape.HeadCount, length, shape.HeadDim);
    }

    private int CacheRow(int row) => _batch.BlockTables[_batch.BlockTableStart[row]];

    private Tensor OnDevice(IEnumerable<int> indices) =>
        tensor(indices.Select(index => (long)index).ToArray(), device: storage.device)
            .DetachFromDisposeScope();

    private void Check(ForwardBatch batch, int row)
    {
        var blocks = batch.BlockTableStart[row + 1] - batch.BlockTableStart[row];
        var context = batch.ContextLengths[row];
        var tokens = batch.QueryStart[row + 1] - batch.QueryStart[row];
        if (blocks != 1 || context < 1 || context > geometry.BlockSize || tokens < 1 || tokens > context
            || (uint)batch.BlockTables[batch.BlockTableStart[row]] >= (uint)geometry.BlockCount)
        {
            throw new ArgumentException(
                $"The batch's row {row} does not fit a contiguous cache of {geometry.BlockCount} rows of "
                + $"{geometry.BlockSize} tokens.");
        }
    }
}
