using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// The clipped token loss of GRPO (TRL, grpo_trainer.py, `_compute_loss`), summed with the weights of
/// <see cref="LossWeights"/>:
/// ℓ = −min(ρA, clip(ρ, 1−ε, 1+ε_high)A) + β(e^d − d − 1), with ρ = π/π_old and d = log π_ref − log π.
/// </summary>
internal sealed class GrpoLoss(double epsilon, double epsilonHigh, double beta)
{
    /// <summary>Weight of the KL term; with 0 no reference is read.</summary>
    public double Beta => beta;

    /// <summary>
    /// The loss of some tokens. All arguments are [tokens], of one floating type; padding is not among them.
    /// </summary>
    /// <param name="logprobs">log π of the sampled tokens; the only argument that gradients flow to.</param>
    /// <param name="oldLogprobs">
    /// log π_old, detached. Detached <paramref name="logprobs"/> give ρ = 1 with its gradient.
    /// </param>
    /// <param name="referenceLogprobs">log π_ref, detached; read where beta is not 0.</param>
    /// <param name="advantages">The advantage of each token's completion.</param>
    /// <param name="weights">Each token's weight; 0 masks it.</param>
    public TokenLoss Of(
        Tensor logprobs,
        Tensor oldLogprobs,
        Tensor? referenceLogprobs,
        Tensor advantages,
        Tensor weights)
    {
        using var scope = NewDisposeScope();
        using Scalar low = (1 - epsilon).ToScalar(), high = (1 + epsilonHigh).ToScalar();
        using Scalar zero = 0.0.ToScalar(), strength = beta.ToScalar();
        var ratio = (logprobs - oldLogprobs).exp(); // [tokens]
        var loss = -minimum(ratio * advantages, ratio.clamp(low, high) * advantages); // [tokens]
        var divergence = zeros_like(loss); // [tokens]
        if (beta != 0)
        {
            ArgumentNullException.ThrowIfNull(referenceLogprobs);
            var difference = referenceLogprobs - logprobs;
            divergence = difference.expm1() - difference; // k3 ≥ 0; e^d − 1 would cancel where d is small
            loss = loss.add(divergence.mul(strength), Scalars.One);
        }

        var counted = weights.ne(zero);
        var tooLow = ratio.lt(low) & advantages.lt(zero);
        var tooHigh = ratio.gt(high) & advantages.gt(zero);
        return new TokenLoss(
            (loss * weights).sum().MoveToOuterDisposeScope(),
            ((tooLow | tooHigh) & counted).sum(ScalarType.Float64).MoveToOuterDisposeScope(),
            (divergence.detach() * counted).sum(ScalarType.Float64).MoveToOuterDisposeScope());
    }
}

/// <summary>Sums over tokens, each a scalar tensor on their device. The caller owns them.</summary>
/// <param name="Loss">The weighted loss, differentiable.</param>
/// <param name="Clipped">
/// float64: tokens whose gradient the clip removes (ratio below and A &lt; 0, or above and A &gt; 0).
/// </param>
/// <param name="Kl">float64: Σ k3 against the reference; 0 where beta is 0.</param>
internal sealed record TokenLoss(Tensor Loss, Tensor Clipped, Tensor Kl) : IDisposable
{
    public void Dispose()
    {
        Loss.Dispose();
        Clipped.Dispose();
        Kl.Dispose();
    }
}
