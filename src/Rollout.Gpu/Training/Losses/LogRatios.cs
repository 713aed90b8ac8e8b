using Rollout.Gpu.Contracts;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training.Losses;

/// <summary>
/// Logarithms of the ratio of two policies, from d_t = log π_t − log π_old,t: d_t (PPO, Schulman et al. 2017),
/// Σ_t d_t / L (GSPO, arXiv:2507.18071, equation 7), or Σ_t d_t (RLOO as in TRL).
/// </summary>
internal static class LogRatios
{
    /// <param name="level">What the ratio is of.</param>
    /// <param name="differences">[tokens] d, 0 where masked.</param>
    /// <param name="counted">[tokens] bool: not masked.</param>
    /// <param name="totals">Sums over completions.</param>
    /// <returns>[tokens] each token's own, or its completion's.</returns>
    public static Tensor Of(RatioLevel level, Tensor differences, Tensor counted, SequenceTotals totals) =>
        level switch
        {
            RatioLevel.Token => differences,
            RatioLevel.Sequence => totals.Of(differences) / Lengths(counted, totals).to_type(differences.dtype),
            RatioLevel.SequenceSum => totals.Of(differences),
            _ => throw new ArgumentOutOfRangeException(nameof(level), level, "Expected a known level."),
        };

    /// <summary>Bounds log-ratios to ± <paramref name="most"/>, as verl does; 0 sets no bound.</summary>
    public static Tensor Clamped(Tensor logRatios, double most)
    {
        if (most == 0)
            return logRatios;
        using Scalar low = (-most).ToScalar(), high = most.ToScalar();
        return logRatios.clamp(low, high);
    }

    /// <summary>[tokens] max(L, 1) of each token's completion.</summary>
    private static Tensor Lengths(Tensor counted, SequenceTotals totals)
    {
        using var one = 1.0.ToScalar();
        return totals.Of(counted.to_type(ScalarType.Float64)).clamp_min(one);
    }
}
