using Rollout.Gpu.Contracts;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training.Losses;

/// <summary>
/// Estimates of KL(π‖π_ref) from one token, with d = log π_ref − log π: k1 = −d, k2 = d²/2, k3 = e^d − d − 1
/// (Schulman 2020, "Approximating KL divergence"; k3 is GRPO's, arXiv:2402.03300, equation 4).
/// </summary>
internal static class KlEstimates
{
    /// <param name="estimator">Which one.</param>
    /// <param name="difference">[tokens] d.</param>
    /// <returns>[tokens] differentiable.</returns>
    public static Tensor Of(KlEstimator estimator, Tensor difference)
    {
        using var half = 0.5.ToScalar();
        return estimator switch
        {
            KlEstimator.K1 => -difference,
            KlEstimator.K2 => difference.mul(difference).mul(half),
            // e^d − 1 as one function: the difference would cancel where d is small.
            KlEstimator.K3 => difference.expm1() - difference,
            _ => throw new ArgumentOutOfRangeException(nameof(estimator), estimator, "Expected k1, k2 or k3."),
        };
    }

    /// <summary>The estimate of one token.</summary>
    public static double Of(KlEstimator estimator, double difference) => estimator switch
    {
        KlEstimator.K1 => -difference,
        KlEstimator.K2 => difference * difference / 2,
        KlEstimator.K3 => Math.Exp(difference) - difference - 1,
        _ => throw new ArgumentOutOfRangeException(nameof(estimator), estimator, "Expected k1, k2 or k3."),
    };

    /// <summary>
    /// The reward after the KL term: R − β Σ_t k(d_t), with d_t = log π_ref − log π_old over the tokens that are not
    /// masked (RLOO, arXiv:2402.14740, and REINFORCE++, arXiv:2501.03262). It has no gradient.
    /// </summary>
    /// <param name="recipe">β and estimator.</param>
    /// <param name="reward">R; NaN, which is no reward, stays NaN.</param>
    /// <param name="oldLogprobs">[tokens] log π_old: the trainer's, before the batch's first update.</param>
    /// <param name="referenceLogprobs">[tokens] log π_ref.</param>
    /// <param name="counted">[tokens] false where masked; empty counts all.</param>
    public static double PenalizedReward(
        LossRecipe recipe,
        double reward,
        ReadOnlySpan<float> oldLogprobs,
        ReadOnlySpan<float> referenceLogprobs,
        ReadOnlySpan<bool> counted)
    {
        var sum = 0.0;
        for (var t = 0; t < oldLogprobs.Length; t++)
        {
            if (counted.IsEmpty || counted[t])
                sum += Of(recipe.KlEstimator, (double)referenceLogprobs[t] - oldLogprobs[t]);
        }

        return reward - (recipe.Beta * sum);
    }
}
