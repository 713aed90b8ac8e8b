using System.Runtime.InteropServices;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Tokens that attend to one range of keys of one block table, with all query heads of a KV head's group, as one
/// thread block does it: <c>Segment</c> of attention_work.cuh.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct AttentionSegment(
    int tokens, int tokenCount, int table, int keyStart, int keyEnd, int partial)
{
    /// <summary>32-bit numbers of the layout.</summary>
    public const int Ints = 8;

    /// <summary>The first of consecutive tokens; or, below 0, ~index of the first entry of a list.</summary>
    public readonly int Tokens = tokens;

    public readonly int TokenCount = tokenCount;

    /// <summary>Where the block table begins; its entry 0 is for position 0.</summary>
    public readonly int Table = table;

    /// <summary>Positions KeyStart … KeyEnd − 1; of these a token sees those up to its own.</summary>
    public readonly int KeyStart = keyStart;

    public readonly int KeyEnd = keyEnd;

    /// <summary>Where its partial results go, in query vectors; −1 where it has all keys and writes the result.</summary>
    public readonly int Partial = partial;

    private readonly int _unused0;
    private readonly int _unused1;

    /// <summary>Runs of <see cref="AttentionSchedule.TileKeys"/> keys, the last maybe shorter.</summary>
    public int Tiles => (KeyEnd - KeyStart + AttentionSchedule.TileKeys - 1) / AttentionSchedule.TileKeys;
}
