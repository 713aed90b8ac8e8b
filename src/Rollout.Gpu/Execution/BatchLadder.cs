namespace Rollout.Gpu.Execution;

/// <summary>
/// The sizes that steps on a GPU are padded to: few enough to record a graph and choose matrix products for each, and
/// dense enough to waste little computation.
/// </summary>
internal static class BatchLadder
{
    private const int Fine = 16;         // from 16 rows on
    private const int Coarse = 32;       // from 256 rows on
    private const int Wide = 64;         // from 1,024 rows on: prompts

    /// <summary>
    /// The smallest size that holds these rows, of 1, 2, 4, 8, 16, then every 16 to 256, every 32 to 1,024, every 64
    /// beyond.
    /// </summary>
    public static int Padded(int rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        return rows switch
        {
            <= Fine => (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)rows),
            <= 256 => RoundedUp(rows, Fine),
            <= 1024 => RoundedUp(rows, Coarse),
            _ => RoundedUp(rows, Wide),
        };
    }

    /// <summary>
    /// All sizes up to the one that holds so many rows. The largest comes first, because it needs the most memory.
    /// </summary>
    public static IEnumerable<int> Sizes(int most)
    {
        for (var size = Padded(most); size > 0; size = size == 1 ? 0 : Below(size))
            yield return size;
    }

    private static int Below(int size) => size switch
    {
        <= Fine => size / 2,
        <= 256 => size - Fine,
        <= 1024 => size - Coarse,
        _ => size - Wide,
    };

    private static int RoundedUp(int rows, int step) => (rows + step - 1) / step * step;
}
