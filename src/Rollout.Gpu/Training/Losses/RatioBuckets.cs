using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training.Losses;

/// <summary>
/// Counts ratios ρ on their device in fixed buckets of ln ρ: 65 of width 1/32, the middle one around 0, and one for what is
/// beyond them on each side. So a histogram of any number of tokens is <see cref="Width"/> numbers.
/// </summary>
internal static class RatioBuckets
{
    private const int PerUnit = 32, Side = 33;

    public const int Width = (2 * Side) + 1;

    /// <summary>[<see cref="Width"/>] float64: the tokens of each bucket. A NaN is in none.</summary>
    /// <param name="counted">[tokens] bool: not masked.</param>
    /// <param name="ratio">[tokens] ρ.</param>
    public static Tensor OnDevice(Tensor counted, Tensor ratio)
    {
        using var scope = NewDisposeScope();
        using Scalar scale = PerUnit.ToScalar(), first = (-Side).ToScalar(), last = Side.ToScalar(), end = (Side + 1).ToScalar();
        using Scalar none = double.NaN.ToScalar();
        var places = ratio.log().mul(scale).round().clamp(first, last).masked_fill(counted.logical_not(), none); // [tokens]
        var buckets = arange(first, end, Scalars.One, places.dtype, places.device);
        // No scatter, whose sums on a GPU come in any order and which a NaN's place would break.
        return places.unsqueeze(1).eq(buckets).sum(0, type: ScalarType.Float64).MoveToOuterDisposeScope();
    }

    /// <summary>The counts as a histogram of ρ, from its first bucket with a token to its last; null without a token.</summary>
    public static BucketCounts? Histogram(LossStatistics statistics)
    {
        var counts = statistics.RatioCounts;
        var (first, last) = (Array.FindIndex(counts, count => count > 0), Array.FindLastIndex(counts, count => count > 0));
        return first < 0
            ? null
            : new BucketCounts(
                statistics.RatioMin,
                statistics.RatioMax,
                statistics.Ratio,
                [.. Enumerable.Range(first, last - first).Select(UpperLimit), statistics.RatioMax],
                counts[first..(last + 1)]);
    }

    private static double UpperLimit(int bucket) => Math.Exp((bucket - Side + 0.5) / PerUnit);
}
