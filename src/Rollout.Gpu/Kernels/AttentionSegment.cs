using System.Runtime.InteropServices;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// One thread block's piece of attention: tokens that attend to one range of keys of one block table, with all query
/// heads of a KV head's group. Laid out as <c>Segment</c> of attention_work.cuh.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct AttentionSegment(
    int tokens, int tokenCount, int table, int keyStart, int keyEnd, int partial)
{
    /// <summary>The layout's size in 32-bit numbers.</summary>
    public const int Ints = 8;

    /// <summary>
    /// The first of consecutive tokens. Below 0, it is ~index of the first entry in the list of shared tokens.
    /// </summary>
    public readonly int Tokens = tokens;

    public readonly int TokenCount = tokenCount;

    /// <summary>Where the block table begins. Entry 0 of it is for position 0.</summary>
    public readonly int Table = table;

    /// <summary>Positions KeyStart … KeyEnd − 1. A token attends to those up to its own.</summary>
    public readonly int KeyStart = keyStart;

    public readonly int KeyEnd = keyEnd;

    /// <summary>
    /// Where partial results go, in query vectors. −1: the segment covers all keys and writes the result.
    /// </summary>
    public readonly int Partial = partial;

    private readonly int _unused0;
    private readonly int _unused1;

    /// <summary>Tiles of <see cref="AttentionSchedule.TileKeys"/> keys. The last one may be shorter.</summary>
    public int Tiles => (KeyEnd - KeyStart + AttentionSchedule.TileKeys - 1) / AttentionSchedule.TileKeys;
}
