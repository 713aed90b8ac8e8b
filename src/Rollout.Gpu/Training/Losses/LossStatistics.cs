using Rollout.Gpu.Contracts;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training.Losses;

/// <summary>
/// What a loss did to its tokens: sums, smallest and largest values over those that are not masked.
/// </summary>
/// <param name="Tokens">Tokens that are not masked.</param>
/// <param name="ClippedLow">
/// Tokens that the lower bound takes the gradient of (ρ below and A &lt; 0), or, of CISPO, those that it raises.
/// </param>
/// <param name="ClippedHigh">
/// Tokens that an upper bound takes the gradient of (ρ above and A &gt; 0, or above delta and A &lt; 0), or, of
/// CISPO, those that it lowers.
/// </param>
/// <param name="Ratio">Σ ρ.</param>
/// <param name="RatioMin">The smallest ρ; +∞ without a token.</param>
/// <param name="RatioMax">The largest ρ; −∞ without a token.</param>
/// <param name="ImportanceWeight">Σ of the importance weights before their bounds; 0 without a correction.</param>
/// <param name="ImportanceWeightMin">The smallest of them; +∞ without a correction.</param>
/// <param name="ImportanceWeightMax">The largest of them; −∞ without a correction.</param>
/// <param name="ImportanceOutside">Tokens whose importance weight was truncated or masked.</param>
/// <param name="RatioCounts">[<see cref="RatioBuckets.Width"/>] the tokens of each bucket of ρ.</param>
internal sealed record LossStatistics(
    double Tokens,
    double ClippedLow,
    double ClippedHigh,
    double Ratio,
    double RatioMin,
    double RatioMax,
    double ImportanceWeight,
    double ImportanceWeightMin,
    double ImportanceWeightMax,
    double ImportanceOutside,
    double[] RatioCounts)
{
    private const int OwnWidth = 10;

    /// <summary>Numbers of <see cref="OnDevice"/>.</summary>
    public const int Width = OwnWidth + RatioBuckets.Width;

    public static readonly LossStatistics None = new(
        0, 0, 0, 0, double.PositiveInfinity, double.NegativeInfinity, 0, double.PositiveInfinity, double.NegativeInfinity, 0,
        new double[RatioBuckets.Width]);

    public double Clipped => ClippedLow + ClippedHigh;

    public static LossStatistics operator +(LossStatistics left, LossStatistics right) => new(
        left.Tokens + right.Tokens,
        left.ClippedLow + right.ClippedLow,
        left.ClippedHigh + right.ClippedHigh,
        left.Ratio + right.Ratio,
        Math.Min(left.RatioMin, right.RatioMin),
        Math.Max(left.RatioMax, right.RatioMax),
        left.ImportanceWeight + right.ImportanceWeight,
        Math.Min(left.ImportanceWeightMin, right.ImportanceWeightMin),
        Math.Max(left.ImportanceWeightMax, right.ImportanceWeightMax),
        left.ImportanceOutside + right.ImportanceOutside,
        [.. left.RatioCounts.Zip(right.RatioCounts, (one, other) => one + other)]);

    /// <summary>The numbers of <see cref="OnDevice"/>, read.</summary>
    public static LossStatistics Read(ReadOnlySpan<double> row) =>
        new(
            row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9],
            row.Slice(OwnWidth, RatioBuckets.Width).ToArray());

    /// <summary>[<see cref="Width"/>] float64 on the tokens' device, in the order of the parameters.</summary>
    /// <param name="recipe">What bounds the ratio.</param>
    /// <param name="counted">[tokens] bool: not masked.</param>
    /// <param name="ratio">[tokens] ρ, 1 where masked.</param>
    /// <param name="advantages">[tokens].</param>
    /// <param name="importance">Null without a correction.</param>
    public static Tensor OnDevice(
        LossRecipe recipe,
        Tensor counted,
        Tensor ratio,
        Tensor advantages,
        ImportanceWeights? importance)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using Scalar most = double.PositiveInfinity.ToScalar(), least = double.NegativeInfinity.ToScalar();
        Tensor Sum(Tensor? values) => values is null
            ? zeros([], ScalarType.Float64, counted.device)
            : (values * counted).sum(ScalarType.Float64);
        Tensor Largest(Tensor? values) => values is null
            ? full([], least, ScalarType.Float64, counted.device)
            : values.masked_fill(counted.logical_not(), least).max().to_type(ScalarType.Float64);
        Tensor Smallest(Tensor? values) => values is null
            ? full([], most, ScalarType.Float64, counted.device)
            : values.masked_fill(counted.logical_not(), most).min().to_type(ScalarType.Float64);

        var (low, high) = Clips(recipe, ratio, advantages);
        var own = stack(
        [
            counted.sum(ScalarType.Float64), Sum(low), Sum(high),
            Sum(ratio), Smallest(ratio), Largest(ratio),
            Sum(importance?.Raw), Smallest(importance?.Raw), Largest(importance?.Raw), Sum(importance?.Outside),
        ]);
        return cat([own, RatioBuckets.OnDevice(counted, ratio)]).MoveToOuterDisposeScope();
    }

    /// <summary>[tokens] bool: bounded below, bounded above.</summary>
    private static (Tensor? Low, Tensor? High) Clips(LossRecipe recipe, Tensor ratio, Tensor advantages)
    {
        using Scalar zero = 0.0.ToScalar();
        using Scalar floor = (1 - recipe.Epsilon).ToScalar(), cap = (1 + recipe.EpsilonHigh).ToScalar();
        using Scalar delta = (recipe.Delta > 0 ? recipe.Delta : double.PositiveInfinity).ToScalar();
        return recipe.Surrogate switch
        {
            Surrogate.Clip => (
                ratio.lt(floor) & advantages.lt(zero),
                (ratio.gt(cap) & advantages.gt(zero)) | (ratio.gt(delta) & advantages.lt(zero))),
            Surrogate.Cispo => (ratio.lt(floor), ratio.gt(cap)),
            _ => (null, null),
        };
    }
}
