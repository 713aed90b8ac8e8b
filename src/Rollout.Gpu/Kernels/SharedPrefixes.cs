using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Rows whose block tables begin with the same blocks, and the keys that they share beyond earlier ranges.
/// </summary>
/// <param name="First">The first row, as an index into <see cref="SharedPrefixes.Rows"/>.</param>
/// <param name="Count">Rows, at least 2.</param>
/// <param name="KeyStart">The first shared position that no earlier range of these rows covers.</param>
/// <param name="KeyEnd">The end of the shared positions: whole blocks, before every row's own token.</param>
internal readonly record struct SharedRange(int First, int Count, int KeyStart, int KeyEnd);

/// <summary>
/// Finds decode rows that share leading blocks: the samples of a group share their prompt's, and groups share those
/// of a common system prompt. Attention reads such keys once for all rows.
/// </summary>
internal sealed class SharedPrefixes(int blockSize)
{
    /// <summary>The most ranges that a row is in, from the start of its context on.</summary>
    public const int Levels = 2;

    /// <summary>Fewer keys than this are not worth merging results.</summary>
    private const int FewestKeys = AttentionSchedule.TileKeys;

    // A set of rows is split at most so often; whatever is left stays unshared.
    private const int MostSplits = 8;

    private readonly GrowingList<int> _rows = new();
    private readonly GrowingList<int> _partOf = new();
    private readonly GrowingList<int> _ends = new();
    private readonly GrowingList<int> _parted = new();
    private readonly GrowingList<(long Generation, int Part)> _marks = new(); // by block
    private readonly GrowingList<int> _found = new();
    private readonly GrowingList<SharedRange> _ranges = new();
    private readonly Stack<Candidates> _open = new();
    private ForwardBatch _batch = new();
    private long _generation;

    /// <summary>The rows of all ranges.</summary>
    public ReadOnlySpan<int> Rows => _found.Span;

    public ReadOnlySpan<SharedRange> Ranges => _ranges.Span;

    /// <summary>Searches a batch. A row's ranges come in the order of their keys, without gaps.</summary>
    public void Find(ForwardBatch batch)
    {
        _batch = batch;
        _rows.Clear();
        _found.Clear();
        _ranges.Clear();
        for (var row = 0; row < batch.RowCount; row++)
        {
            if (batch.QueryStart[row + 1] - batch.QueryStart[row] == 1 && WholeBlocks(row) > 0)
                _rows.Add(row);
        }

        if (_rows.Count > 1)
            _open.Push(new Candidates(0, _rows.Count, Depth: 0, Covered: 0, Level: 0, Splits: 0));
        while (_open.TryPop(out var candidates))
            Part(candidates);
    }

    // These rows share their first Depth blocks. Splits them by the next block, keeping the order of the rows.
    private void Part(Candidates candidates)
    {
        var rows = _rows.Span.Slice(candidates.First, candidates.Count);
        var partOf = _partOf.Resize(rows.Length);
        _ends.Clear();
        _generation++;
        for (var i = 0; i < rows.Length; i++)
        {
            partOf[i] = candidates.Depth < WholeBlocks(rows[i]) ? PartOf(Table(rows[i])[candidates.Depth]) : -1;
            if (partOf[i] >= 0)
                _ends.Span[partOf[i]]++;
        }

        if (_ends.Count == rows.Length)
            return; // no two rows share the block

        var ends = _ends.Span;
        for (var part = 1; part < ends.Length; part++)
            ends[part] += ends[part - 1];
        var parted = _parted.Resize(rows.Length);
        for (var i = rows.Length - 1; i >= 0; i--)
        {
            if (partOf[i] >= 0)
                parted[--ends[partOf[i]]] = rows[i];
        }

        // Each part's end has moved to its start.
        var placed = partOf.Length - partOf.Count(-1);
        parted[..placed].CopyTo(rows);
        for (var part = 0; part < ends.Length; part++)
        {
            var end = part + 1 < ends.Length ? ends[part + 1] : placed;
            if (end - ends[part] > 1)
                Share(candidates with { First = candidates.First + ends[part], Count = end - ends[part] });
        }
    }

    // Parts are numbered in the order in which their blocks are first seen.
    private int PartOf(int block)
    {
        if (block >= _marks.Count)
            _marks.Resize(Math.Max(block + 1, 2 * _marks.Count));
        ref var mark = ref _marks.Span[block];
        if (mark.Generation != _generation)
        {
            mark = (_generation, _ends.Count);
            _ends.Add(0);
        }

        return mark.Part;
    }

    private void Share(Candidates candidates)
    {
        var rows = _rows.Span.Slice(candidates.First, candidates.Count);
        var common = Table(rows[0])[..WholeBlocks(rows[0])];
        foreach (var row in rows[1..])
            common = common[..common.CommonPrefixLength(Table(row)[..WholeBlocks(row)])];

        var next = candidates with { Depth = common.Length, Splits = candidates.Splits + 1 };
        if ((common.Length - candidates.Covered) * blockSize >= FewestKeys)
        {
            _ranges.Add(new SharedRange(
                _found.Count, rows.Length, candidates.Covered * blockSize, common.Length * blockSize));
            foreach (var row in rows)
                _found.Add(row);
            next = next with { Covered = common.Length, Level = candidates.Level + 1 };
        }

        if (next.Level < Levels && next.Splits < MostSplits)
            _open.Push(next);
    }

    // Blocks that end before the row's last token. They are full and written.
    private int WholeBlocks(int row) => (_batch.ContextLengths[row] - 1) / blockSize;

    private ReadOnlySpan<int> Table(int row) =>
        _batch.BlockTables.AsSpan(_batch.BlockTableStart[row].._batch.BlockTableStart[row + 1]);

    private readonly record struct Candidates(int First, int Count, int Depth, int Covered, int Level, int Splits);
}
