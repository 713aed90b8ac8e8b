using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training.Losses;

/// <summary>The losses that ratio ρ, advantage A and log π of a token form. All tensors are [tokens].</summary>
internal static class Surrogates
{
    /// <summary>The recipe's one.</summary>
    public static Tensor Of(LossRecipe recipe, Tensor ratio, Tensor logprobs, Tensor advantages) =>
        recipe.Surrogate switch
        {
            Surrogate.Clip => Clip(ratio, advantages, recipe.Epsilon, recipe.EpsilonHigh, recipe.Delta),
            Surrogate.Cispo => Cispo(ratio, logprobs, advantages, recipe.Epsilon, recipe.EpsilonHigh),
            Surrogate.Sapo => Sapo(
                ratio, advantages, recipe.SapoTemperature, recipe.SapoTemperatureNegative),
            Surrogate.PolicyGradient => -logprobs * advantages,
            _ => throw new ArgumentException($"The surrogate {recipe.Surrogate} is not known.", nameof(recipe)),
        };

    /// <summary>
    /// ℓ = −min(min(ρ, δ)A, clip(ρ, 1−ε, 1+ε_high)A): PPO (arXiv:1707.06347, equation 7), with DAPO's second ε
    /// (arXiv:2503.14476) and the bound δ of two-sided clipping (INTELLECT-2, arXiv:2505.07291; TRL's delta). As δ
    /// is above 1 + ε_high, it acts only where A &lt; 0, and is the dual clip of arXiv:1912.09729 with c = δ.
    /// </summary>
    public static Tensor Clip(Tensor ratio, Tensor advantages, double epsilon, double epsilonHigh, double delta)
    {
        var bounded = Bounded(ratio, epsilon, epsilonHigh);
        if (delta > 0)
        {
            using var most = delta.ToScalar();
            ratio = ratio.clamp_max(most);
        }

        return -minimum(ratio * advantages, bounded * advantages);
    }

    /// <summary>
    /// ℓ = −sg(clip(ρ, 1−ε, 1+ε_high)) · A · log π: MiniMax-M1, arXiv:2506.13585, equation 4.
    /// </summary>
    public static Tensor Cispo(
        Tensor ratio, Tensor logprobs, Tensor advantages, double epsilon, double epsilonHigh) =>
        -Bounded(ratio.detach(), epsilon, epsilonHigh) * advantages * logprobs;

    /// <summary>
    /// ℓ = −(4/τ) · σ(τ(ρ − 1)) · A, τ one of two by the sign of A: SAPO, arXiv:2511.20347, equation 6.
    /// </summary>
    public static Tensor Sapo(Tensor ratio, Tensor advantages, double positive, double negative)
    {
        using Scalar zero = 0.0.ToScalar(), four = 4.0.ToScalar();
        using Scalar above = positive.ToScalar(), below = negative.ToScalar();
        var temperature = full_like(ratio.detach(), below).masked_fill(advantages.gt(zero), above); // [tokens]
        return -(temperature * ratio.sub(Scalars.One)).sigmoid().mul(four) / temperature * advantages;
    }

    private static Tensor Bounded(Tensor ratio, double epsilon, double epsilonHigh)
    {
        using Scalar low = (1 - epsilon).ToScalar(), high = (1 + epsilonHigh).ToScalar();
        return ratio.clamp(low, high);
    }
}
