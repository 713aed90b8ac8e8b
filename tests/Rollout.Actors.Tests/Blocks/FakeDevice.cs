using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Blocks;

/// <summary>
/// A paged memory whose cells hold, instead of keys and values, a fingerprint of what real ones depend on:
/// the token, all cells before it, and the policy that computed it.
/// </summary>
internal sealed class FakeDevice
{
    /// <summary>What precedes the first cell of a sequence.</summary>
    public const ulong Start = 0x9E3779B97F4A7C15;

    private readonly int _blockSize;
    private readonly ulong[] _cells;

    public FakeDevice(KvCacheGeometry geometry)
    {
        _blockSize = geometry.BlockSize;
        _cells = new ulong[geometry.BlockCount * geometry.BlockSize];
    }

    public static ulong CellAfter(ulong previous, int token, PolicyVersion version)
    {
        var mixed = (previous ^ (uint)token ^ ((ulong)(uint)version.Value << 32)) * 0xBF58476D1CE4E5B9;
        return (mixed ^ (mixed >> 29)) * 0x94D049BB133111EB;
    }

    public ulong Read(IReadOnlyList<BlockId> table, int position) => _cells[Slot(table, position)];

    public void Write(IReadOnlyList<BlockId> table, int position, ulong cell) =>
        _cells[Slot(table, position)] = cell;

    /// <summary>
    /// All sources are read before any destination is written; no destination may come twice.
    /// </summary>
    public void Copy(IReadOnlyCollection<BlockCopy> copies)
    {
        Assert.Equal(copies.Count, copies.Select(copy => copy.Destination).Distinct().Count());
        var contents = copies.Select(copy => Content(copy.Source).ToArray()).ToArray();
        foreach (var (copy, content) in copies.Zip(contents))
            content.CopyTo(Content(copy.Destination));
    }

    private Span<ulong> Content(BlockId block) => _cells.AsSpan(block.Value * _blockSize, _blockSize);

    private int Slot(IReadOnlyList<BlockId> table, int position) =>
        (table[position / _blockSize].Value * _blockSize) + (position % _blockSize);
}
