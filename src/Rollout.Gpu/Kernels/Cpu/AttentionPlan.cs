using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Kernels.Cpu;

/// <summary>
/// The plan of one batch's attention on a CPU, made once a step and used by every layer: the slot of every token of
/// every context, tiles of neighbouring query tokens, and parts of equal work. Memory is reused.
/// </summary>
internal sealed class AttentionPlan(KvCacheGeometry geometry)
{
    private readonly int _slotCount = geometry.BlockCount * geometry.BlockSize;
    private int[] _slots = [];
    private int[] _slotStart = [0];
    private AttentionTile[] _tiles = [];
    private long[] _costEnd = [];

    /// <summary>The batch.</summary>
    public ForwardBatch Batch { get; private set; } = new();

    /// <summary>The slots of the rows' contexts, one row after another.</summary>
    public int[] Slots => _slots;

    /// <summary>The number of tiles.</summary>
    public int TileCount { get; private set; }

    /// <summary>Tokens of the longest context.</summary>
    public int LongestContext { get; private set; }

    /// <summary>Keys to read over all query tokens: the work of one head.</summary>
    public long Cost => TileCount == 0 ? 0 : _costEnd[TileCount - 1];

    public ref readonly AttentionTile Tile(int index) => ref _tiles[index];

    /// <summary>Plans a batch.</summary>
    /// <param name="batch">The batch, whose block tables hold the rows' contexts.</param>
    /// <param name="tileTokens">The most query tokens of a tile.</param>
    /// <exception cref="ArgumentException">The batch points outside of the cache or contradicts itself.</exception>
    public void Build(ForwardBatch batch, int tileTokens)
    {
        Batch = batch;
        (TileCount, LongestContext) = (0, 0);
        if (_slotStart.Length <= batch.RowCount)
            _slotStart = new int[Math.Max(batch.RowCount + 1, 2 * _slotStart.Length)];
        for (var token = 0; token < batch.TokenCount; token++)
            Check((uint)batch.SlotMapping[token] < (uint)_slotCount, "slot", token);

        for (var row = 0; row < batch.RowCount; row++)
        {
            AddSlots(row);
            AddTiles(row, tileTokens);
        }
    }

    /// <summary>The first (tile, KV head) pair of a part, counted tile by tile. Parts have equal work.</summary>
    public int FirstItem(int part, int parts, int kvHeads)
    {
        var wanted = Cost * kvHeads * part / parts;
        var tile = Array.BinarySearch(_costEnd, 0, TileCount, wanted / kvHeads);
        tile = tile < 0 ? ~tile : tile + 1;
        if (tile == TileCount)
            return TileCount * kvHeads;
        var before = tile == 0 ? 0 : _costEnd[tile - 1];
        return (tile * kvHeads) + (int)((wanted - (before * kvHeads)) / (_costEnd[tile] - before));
    }

    private void AddSlots(int row)
    {
        var context = Batch.ContextLengths[row];
        var (first, end) = (Batch.BlockTableStart[row], Batch.BlockTableStart[row + 1]);
        Check(context >= 1 && end - first >= geometry.BlocksFor(context), "block table", row);
        LongestContext = Math.Max(LongestContext, context);

        var start = _slotStart[row];
        _slotStart[row + 1] = start + context;
        if (_slots.Length < start + context)
            Array.Resize(ref _slots, Math.Max(start + context, 2 * _slots.Length));

        var slots = _slots.AsSpan(start, context);
        for (var index = 0; slots.Length > 0; index++)
        {
            var block = Batch.BlockTables[first + index];
            Check((uint)block < (uint)geometry.BlockCount, "block table", row);
            var run = slots[..Math.Min(geometry.BlockSize, slots.Length)];
            for (var i = 0; i < run.Length; i++)
                run[i] = (block * geometry.BlockSize) + i;
            slots = slots[run.Length..];
        }
    }

    private void AddTiles(int row, int tileTokens)
    {
        var (first, end) = (Batch.QueryStart[row], Batch.QueryStart[row + 1]);
        var unseen = Batch.ContextLengths[row] - (end - first); // keys before the row's first token
        Check(end > first && unseen >= 0, "query", row);
        for (var token = first; token < end; token += tileTokens)
        {
            var count = Math.Min(tileTokens, end - token);
            var keys = unseen + token - first + 1;
            if (TileCount == _tiles.Length)
            {
                Array.Resize(ref _tiles, Math.Max(64, 2 * TileCount));
                Array.Resize(ref _costEnd, _tiles.Length);
            }

            var cost = ((long)count * keys) + ((long)count * (count - 1) / 2);
            _costEnd[TileCount] = Cost + cost;
            _tiles[TileCount++] = new AttentionTile(token, count, keys, _slotStart[row]);
        }
    }

    private static void Check(bool holds, string what, int index)
    {
        if (!holds)
        {
            throw new ArgumentException(
                $"The batch's {what} {index} does not fit the KV cache or its context length.");
        }
    }
}

/// <summary>Neighbouring query tokens of one row.</summary>
/// <param name="Token">The first token, as an index into the batch.</param>
/// <param name="Count">The number of tokens.</param>
/// <param name="Keys">Keys that the first token attends to. Each further token attends to one more.</param>
/// <param name="SlotStart">Where the row's slots begin in <see cref="AttentionPlan.Slots"/>.</param>
internal readonly record struct AttentionTile(int Token, int Count, int Keys, int SlotStart);
