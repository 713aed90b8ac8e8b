using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Divides one batch's attention into equal parts for thread blocks that all run at once. The same parts serve
/// every KV head and every layer. Keys that several rows share are one item for all of them; every other key is
/// read for its own row. Items are laid end to end and cut at tile edges where a part ends (stream-K, Osama et
/// al. 2023, arXiv 2301.03598); what was cut or shared is merged afterwards. Its memory is reused.
/// </summary>
internal sealed class AttentionSchedule
{
    /// <summary>Keys of a tile: what a thread block computes at once.</summary>
    public const int TileKeys = 64;

    /// <summary>Query vectors up to which an item costs no more than its bytes.</summary>
    public const int NarrowVectors = 16;

    // Costs in quarters of the time that the keys and values of a tile take to arrive.
    private const int NarrowTileCost = 4;
    private const int WideTileCost = 6;
    private const int SegmentCost = 4;

    // A part is not opened or left for fewer tiles, unless it has no other work.
    private const int FewestTiles = 2;

    private readonly int _group;
    private readonly int _tokensPerItem;
    private readonly SharedPrefixes _shared;
    private readonly GrowingList<AttentionItem> _items = new();
    private readonly GrowingList<AttentionSegment> _segments = new();
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

    /// <param name="shape">Of the kernels.</param>
    /// <param name="parts">Thread blocks that run at once for each KV head.</param>
    /// <param name="shareGroups">Whether keys that rows share are read once.</param>
    public AttentionSchedule(KernelShape shape, int parts, bool shareGroups = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(parts);
        _group = shape.GroupSize;
        _tokensPerItem = shape.TokensPerItem;
        _shared = new SharedPrefixes(shape.BlockSize);
        _share = shareGroups;
        (BlockSize, Parts) = (shape.BlockSize, parts);
    }

    /// <summary>Tokens of a block.</summary>
    public int BlockSize { get; }

    public int Parts { get; }

    public ReadOnlySpan<AttentionItem> Items => _items.Span;

    /// <summary>In the order of the parts.</summary>
    public ReadOnlySpan<AttentionSegment> Segments => _segments.Span;

    /// <summary>[parts + 1] the first segment of each part.</summary>
    public ReadOnlySpan<int> PartStart => _partStart.Span;

    /// <summary>Tokens of items whose tokens are not consecutive.</summary>
    public ReadOnlySpan<int> SharedTokens => _sharedTokens.Span;

    /// <summary>[tokens + 1] the first merge entry of each token; none where one segment writes its result.</summary>
    public ReadOnlySpan<int> MergeStart => _mergeStart.Span;

    /// <summary>Where a token's partial results begin, in query vectors.</summary>
    public ReadOnlySpan<int> MergeEntries => _mergeEntries.Span;

    /// <summary>Query vectors of partial results, for each KV head.</summary>
    public int PartialVectors { get; private set; }

    /// <summary>Lays out a batch. Only rows, block tables and context lengths are read.</summary>
    public void Build(ForwardBatch batch)
    {
        _batch = batch;
        _items.Clear();
        _segments.Clear();
        _sharedTokens.Clear();
        _ownStart.Resize(batch.RowCount).Clear();
        PartialVectors = 0;
        if (_share)
            AddSharedItems();
        var firstOwn = _items.Count;
        for (var row = 0; row < batch.RowCount; row++)
            AddOwnItems(row);
        Cut(firstOwn);
        FindMerges();
    }

    private void AddSharedItems()
    {
        _shared.Find(_batch);
        foreach (var range in _shared.Ranges)
        {
            var rows = _shared.Rows.Slice(range.First, range.Count);
            var table = _batch.BlockTableStart[rows[0]];
            for (var first = 0; first < rows.Length; first += _tokensPerItem)
            {
                var some = rows.Slice(first, Math.Min(_tokensPerItem, rows.Length - first));
                _items.Add(new AttentionItem(
                    ~_sharedTokens.Count, some.Length, table, range.KeyStart, range.KeyEnd));
                foreach (var row in some)
                    _sharedTokens.Add(_batch.QueryStart[row]);
            }

            foreach (var row in rows)
                _ownStart.Span[row] = range.KeyEnd;
        }
    }

    private void AddOwnItems(int row)
    {
        var (first, end) = (_batch.QueryStart[row], _batch.QueryStart[row + 1]);
        for (var token = first; token < end; token += _tokensPerItem)
        {
            var count = Math.Min(_tokensPerItem, end - token);
            var keyEnd = _batch.ContextLengths[row] - (end - (token + count)); // the last token's
            _items.Add(new AttentionItem(
                token, count, _batch.BlockTableStart[row], _ownStart.Span[row], keyEnd));
        }
    }

    private void Cut(int firstOwn)
    {
        _partStart.Clear();
        _partStart.Add(0);
        _total = (long)SegmentCost * Parts; // about what cutting adds
        foreach (ref readonly var item in Items)
            _total += SegmentCost + ((long)item.Tiles * TileCost(item));
        (_part, _placed, _partEnd) = (0, 0, _total / Parts);
        for (var item = 0; item < Items.Length; item++)
            Place(item, isWhole: item >= firstOwn && Items[item].KeyStart == 0);
        while (_partStart.Count <= Parts)
            _partStart.Add(_segments.Count);
    }

    private void Place(int index, bool isWhole)
    {
        var item = Items[index];
        var (tiles, vectors, cost) = (item.Tiles, item.TokenCount * _group, TileCost(item));
        for (var tile = 0; tile < tiles;)
        {
            var taken = Fitting(tiles - tile, cost);
            if (taken == 0)
            {
                ClosePart();
                continue;
            }

            var partial = isWhole && taken == tiles ? -1 : PartialVectors;
            if (partial >= 0)
                PartialVectors += vectors;
            _segments.Add(new AttentionSegment(index, tile, tile + taken, partial));
            _placed += SegmentCost + ((long)taken * cost);
            tile += taken;
            if (tile < tiles)
                ClosePart();
        }
    }

    // Tiles that the open part takes of what is left of an item; 0 where it should be closed first.
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

    private int TileCost(in AttentionItem item) =>
        item.TokenCount * _group <= NarrowVectors ? NarrowTileCost : WideTileCost;

    private void FindMerges()
    {
        var start = _mergeStart.Resize(_batch.TokenCount + 1);
        start.Clear();
        foreach (ref readonly var segment in Segments)
        {
            for (var i = 0; segment.Partial >= 0 && i < Items[segment.Item].TokenCount; i++)
                start[TokenOf(Items[segment.Item], i) + 1]++;
        }

        for (var token = 0; token < _batch.TokenCount; token++)
            start[token + 1] += start[token];
        var entries = _mergeEntries.Resize(start[^1]);

        // Each token's start moves to its end as entries are added, and is where the next token's was.
        foreach (ref readonly var segment in Segments)
        {
            for (var i = 0; segment.Partial >= 0 && i < Items[segment.Item].TokenCount; i++)
                entries[start[TokenOf(Items[segment.Item], i)]++] = segment.Partial + (i * _group);
        }

        start[..^1].CopyTo(start[1..]);
        start[0] = 0;
    }

    private int TokenOf(in AttentionItem item, int index) =>
        item.Tokens >= 0 ? item.Tokens + index : SharedTokens[~item.Tokens + index];
}
