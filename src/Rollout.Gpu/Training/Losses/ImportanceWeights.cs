using Rollout.Gpu.Contracts;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training.Losses;

/// <summary>
/// Weights that correct for the difference of the sampler's distribution from π_old, as the trainer computes it: w of
/// each token (see <see cref="ImportanceSupport"/>), or its product over the completion. Truncated (Ionides 2008; TIS, Yao et
/// al. 2025): clamp(w, floor, cap). Masked (IcePop, Ling team 2025; TRL's *_mask): w where floor ≤ w ≤ cap, else 0.
/// With π_old the policy before the batch's updates this is AReaL's decoupled loss (arXiv:2505.24298).
/// </summary>
/// <param name="Values">[tokens] the bounded weights, without gradient.</param>
/// <param name="Raw">[tokens] w before the bounds.</param>
/// <param name="Outside">[tokens] bool: w is outside of the bounds.</param>
internal sealed record ImportanceWeights(Tensor Values, Tensor Raw, Tensor Outside)
{
    /// <param name="recipe">Kind and bounds; the kind is not None.</param>
    /// <param name="differences">[tokens] log w, 0 where masked.</param>
    /// <param name="totals">Sums over completions.</param>
    public static ImportanceWeights Of(LossRecipe recipe, Tensor differences, SequenceTotals totals)
    {
        using var noGradient = no_grad();
        using Scalar zero = 0.0.ToScalar();
        using Scalar floor = recipe.ImportanceFloor.ToScalar(), cap = recipe.ImportanceCap.ToScalar();
        var kind = recipe.ImportanceCorrection;
        var logs = kind is ImportanceCorrection.TokenTruncate or ImportanceCorrection.TokenMask
            ? differences
            : totals.Of(differences);
        var raw = LogRatios.Clamped(logs, recipe.LogRatioClamp).exp();
        var outside = raw.lt(floor) | raw.gt(cap);
        var masks = kind is ImportanceCorrection.TokenMask or ImportanceCorrection.SequenceMask;
        return new(masks ? raw.masked_fill(outside, zero) : raw.clamp(floor, cap), raw, outside);
    }
}
