using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Divides the attention of one batch into equal parts, one for each thread block that runs at once. All KV heads and
/// layers use the same parts. Keys that several rows share are read once for all of them, in one item; every other key
/// is read for its own row. Items are laid end to end and cut at tile edges where a part ends (stream-K, Osama et al.
/// 2023, arXiv 2301.03598). merge_attention joins the results of what was cut or shared. Memory is reused.
/// </summary>
internal sealed class AttentionSchedule
{
    /// <summary>Keys of a tile, which a thread block computes at once.</summary>
    public const int TileKeys = 64;

    /// <summary>An item of up to this many query vectors takes as long as its bytes take to arrive.</summary>
    public const int NarrowVectors = 16;

    // Costs in quarters of the time that the keys and values of a tile take to arrive.
    private const int NarrowTileCost = 4;
    private const int WideTileCost = 6;
    private const int SegmentCost = 4;

    // An item is not cut for fewer tiles than this, unless the part has no other work.
    private const int FewestTiles = 2;

    private readonly int _group;
    private readonly int _tokensPerItem;
    private readonly SharedPrefixes _shared;
    private readonly GrowingList<AttentionSegment> _items = new();
    private readonly GrowingList<AttentionSegment> _segments = new();
    private readonly GrowingList<(int Row, AttentionSegment Item)> _sharedItems = new();
    private readonly GrowingList<int> _sharedTokens = new();
    private readonly GrowingList<int> _partStart = new();
    private readonly GrowingList<int> _mergeStart = new();
    private readonly GrowingList<int> _mergeEntries = new();
    private readonly GrowingList<int> _ownStart = new();
    private readonly bool _share;
    private ForwardBatch _batch = new();
    private int _part;
    private long _partEnd;
    private long _placed;
    private long _total;

    /// <param name="shape">What the kernels are compiled for.</param>
    /// <param name="parts">Thread blocks that run at once for each KV head.</param>
    /// <param name="shareGroups">Read keys that rows share once.</param>
    public AttentionSchedule(KernelShape shape, int parts, bool shareGroups = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(parts);
        _group = shape.QueriesPerKvHead;
        _tokensPerItem = shape.TokensPerItem;
        _shared = new SharedPrefixes(shape.BlockSize);
        _share = shareGroups;
        (BlockSize, Parts) = (shape.BlockSize, parts);
    }

    /// <summary>Tokens of a block.</summary>
    public int BlockSize { get; }

    public int Parts { get; }

    /// <summary>The segments of all parts, in the order of the parts.</summary>
    public ReadOnlySpan<AttentionSegment> Segments => _segments.Span;

    /// <summary>[parts + 1] the first segment of each part.</summary>
    public ReadOnlySpan<int> PartStart => _partStart.Span;

    /// <summary>The tokens of segments whose tokens are not consecutive.</summary>
    public ReadOnlySpan<int> SharedTokens => _sharedTokens.Span;

    /// <summary>
    /// [tokens + 1] the first merge entry of each token. A token has none where one segment writes its result.
    /// </summary>
    public ReadOnlySpan<int> MergeStart => _mergeStart.Span;

    /// <summary>Where each partial result of a token begins, in query vectors.</summary>
    public ReadOnlySpan<int> MergeEntries => _mergeEntries.Span;

    /// <summary>Partial results of a KV head, in query vectors.</summary>
    public int PartialVectors { get; private set; }

    /// <summary>Schedules a batch, of which it reads rows, block tables and context lengths.</summary>
    public void Build(ForwardBatch batch)
    {
        _batch = batch;
        _items.Clear();
        _sharedItems.Clear();
        _sharedTokens.Clear();
        _ownStart.Resize(batch.RowCount).Clear();
        if (_share)
            FindSharedItems();

        // Shared items are spread among the rows' own, so that every part gets a share of either kind. Their order
        // within a row doesn't matter.
        var shared = 0;
        for (var row = 0; row < batch.RowCount; row++)
        {
            for (; shared < _sharedItems.Count && _sharedItems.Span[shared].Row == row; shared++)
                _items.Add(_sharedItems.Span[shared].Item);
            AddOwnItems(row);
        }

        Cut();
        FindMerges();
    }

    private void FindSharedItems()
    {
        _shared.Find(_batch);
        foreach (var range in _shared.Ranges)
        {
            var rows = _shared.Rows.Slice(range.First, range.Count);
            var table = _batch.BlockTableStart[rows[0]];
            for (var first = 0; first < rows.Length; first += _tokensPerItem)
            {
                var some = rows.Slice(first, Math.Min(_tokensPerItem, rows.Length - first));
                _sharedItems.Add((some[0], new AttentionSegment(
                    ~_sharedTokens.Count, some.Length, table, range.KeyStart, range.KeyEnd, partial: 0)));
                foreach (var row in some)
                    _sharedTokens.Add(_batch.QueryStart[row]);
            }

            foreach (var row in rows)
                _ownStart.Span[row] = range.KeyEnd;
        }

        _sharedItems.Span.Sort(static (left, right) =>
            (left.Row, left.Item.Tokens).CompareTo((right.Row, right.Item.Tokens)));
    }

    private void AddOwnItems(int row)
    {
        var (first, end) = (_batch.QueryStart[row], _batch.QueryStart[row + 1]);
        var keyStart = _ownStart.Span[row];
        for (var token = first; token < end; token += _tokensPerItem)
        {
            var count = Math.Min(_tokensPerItem, end - token);
            var keyEnd = _batch.ContextLengths[row] - (end - (token + count)); // the last token's
            _items.Add(new AttentionSegment(
                token, count, _batch.BlockTableStart[row], keyStart, keyEnd, partial: keyStart == 0 ? -1 : 0));
        }
    }

    private void Cut()
    {
        _segments.Clear();
        _partStart.Clear();
        _partStart.Add(0);
        _total = (long)SegmentCost * Parts; // roughly what cutting adds
        foreach (ref readonly var item in _items.Span)
            _total += SegmentCost + ((long)item.Tiles * TileCost(item));
        (_part, _placed, _partEnd, PartialVectors) = (0, 0, _total / Parts, 0);
        foreach (ref readonly var item in _items.Span)
            Place(item);
        while (_partStart.Count <= Parts)
            _partStart.Add(_segments.Count);
    }

    private void Place(in AttentionSegment item)
    {
        var (tiles, vectors, cost) = (item.Tiles, item.TokenCount * _group, TileCost(item));
        for (var tile = 0; tile < tiles;)
        {
            var taken = Fitting(tiles - tile, cost);
            if (taken == 0)
            {
                ClosePart();
                continue;
            }

            var isWhole = item.Partial < 0 && taken == tiles;
            var start = item.KeyStart + (tile * TileKeys);
            _segments.Add(new AttentionSegment(
                item.Tokens, item.TokenCount, item.Table, start,
                Math.Min(item.KeyEnd, start + (taken * TileKeys)), isWhole ? -1 : PartialVectors));
            PartialVectors += isWhole ? 0 : vectors;
            _placed += SegmentCost + ((long)taken * cost);
            tile += taken;
            if (tile < tiles)
                ClosePart();
        }
    }

    // How many of an item's remaining tiles the open part takes; 0 where the part should be closed first.
    private int Fitting(int left, int cost)
    {
        if (_part == Parts - 1)
            return left;
        var isEmpty = _segments.Count == _partStart.Span[^1];
        var room = (_partEnd - _placed - SegmentCost) / cost;
        if (room >= left - 1)
            return left; // leaves no single tile behind
        return room >= FewestTiles ? (int)room : isEmpty ? 1 : 0;
    }

    private void ClosePart()
    {
        _part++;
        _partEnd = _total * (_part + 1) / Parts;
        _partStart.Add(_segments.Count);
    }

    private int TileCost(in AttentionSegment item) =>
        item.TokenCount * _group <= NarrowVectors ? NarrowTileCost : WideTileCost;

    private void FindMerges()
    {
        var start = _mergeStart.Resize(_batch.TokenCount + 1);
        start.Clear();
        foreach (ref readonly var segment in Segments)
        {
            for (var i = 0; segment.Partial >= 0 && i < segment.TokenCount; i++)
                start[TokenOf(segment, i) + 1]++;
        }

        for (var token = 0; token < _batch.TokenCount; token++)
            start[token + 1] += start[token];
        var entries = _mergeEntries.Resize(start[^1]);

        // Each token's start moves to its end as entries are added, and is where the next token's was.
        foreach (ref readonly var segment in Segments)
        {
            for (var i = 0; segment.Partial >= 0 && i < segment.TokenCount; i++)
                entries[start[TokenOf(segment, i)]++] = segment.Partial + (i * _group);
        }

        start[..^1].CopyTo(start[1..]);
        start[0] = 0;
    }

    private int TokenOf(in AttentionSegment segment, int index) =>
        segment.Tokens >= 0 ? segment.Tokens + index : SharedTokens[~segment.Tokens + index];
}
