namespace Rollout.Actors.Data;

/// <summary>
/// An endless order of a dataset's prompts, found from the cursor alone. Every epoch has each prompt once. It is shuffled,
/// or for a curriculum goes from the easiest prompt to the hardest: where the curriculum ends within an epoch, its part of
/// that epoch takes one prompt of each of as many equal ranges of difficulty, and the rest are shuffled.
/// </summary>
internal sealed class PromptOrder
{
    private readonly ulong _seed;
    private readonly long _curriculum;
    private readonly int[] _ranked;   // the prompts from the easiest on; empty without a curriculum
    private readonly int _count;

    /// <summary>A shuffled order.</summary>
    public PromptOrder(int count, ulong seed)
        : this(count, seed, [], curriculum: 0)
    {
    }

    /// <summary>An order that begins with a curriculum.</summary>
    /// <param name="difficulty">Of each prompt; the seed decides among equals.</param>
    /// <param name="seed">Decides the shuffling.</param>
    /// <param name="curriculum">Prompts until the curriculum ends.</param>
    public PromptOrder(double[] difficulty, ulong seed, long curriculum)
        : this(difficulty.Length, seed, Ranked(difficulty, seed), curriculum)
    {
    }

    private PromptOrder(int count, ulong seed, int[] ranked, long curriculum)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        (_count, _seed, _ranked, _curriculum) = (count, seed, ranked, curriculum);
    }

    /// <summary>The prompt at a place of the order.</summary>
    public int this[long cursor]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(cursor);
            var (epoch, position) = Math.DivRem(cursor, _count);
            var key = SplitMix64.Mix(_seed, (ulong)epoch);
            var ranges = (int)Math.Clamp(_curriculum - (cursor - position), 0, _count);
            if (position < ranges)
                return _ranked[Pick((int)position, ranges, key)];
            var shuffled = new SeededPermutation(_count - ranges, key)[(int)position - ranges];
            return ranges == 0 ? shuffled : _ranked[Unpicked(shuffled, ranges, key)];
        }
    }

    /// <summary>The rank at which a range begins.</summary>
    private long Start(int range, int ranges) => (long)range * _count / ranges;

    /// <summary>The rank that the curriculum takes from a range.</summary>
    private int Pick(int range, int ranges, ulong key)
    {
        var start = Start(range, ranges);
        return (int)start + SplitMix64.Below((int)(Start(range + 1, ranges) - start), SplitMix64.Mix(key, (ulong)range));
    }

    /// <summary>A rank that the curriculum leaves: number <paramref name="index"/> of them.</summary>
    private int Unpicked(int index, int ranges, ulong key)
    {
        // The last range before which at most that many are left.
        var (low, high) = (0, ranges - 1);
        while (low < high)
        {
            var middle = low + ((high - low + 1) / 2);
            if (Start(middle, ranges) - middle <= index)
                low = middle;
            else
                high = middle - 1;
        }
        var rank = index + low;
        return rank < Pick(low, ranges, key) ? rank : rank + 1;
    }

    private static int[] Ranked(double[] difficulty, ulong seed) =>
    [
        .. Enumerable.Range(0, difficulty.Length)
            .OrderBy(prompt => difficulty[prompt])
            .ThenBy(prompt => SplitMix64.Mix(seed, (ulong)prompt)),
    ];
}
