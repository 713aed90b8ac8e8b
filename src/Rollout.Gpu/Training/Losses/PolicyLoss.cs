using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training.Losses;

/// <summary>
/// The loss of tokens by a recipe: Σ_t weight_t · (w_t · surrogate_t + β · KL_t), with w the importance weight (as in
/// TRL's `_compute_loss`, it does not weigh the KL term).
/// </summary>
internal sealed class PolicyLoss(LossRecipe recipe)
{
    public LossRecipe Recipe => recipe;

    /// <exception cref="ArgumentException">Log-probabilities that the recipe needs are not given.</exception>
    public TokenLoss Of(TokenLossInput input)
    {
        using var scope = NewDisposeScope();
        using Scalar zero = 0.0.ToScalar(), beta = recipe.Beta.ToScalar();
        var counted = input.Weights.ne(zero); // [tokens]
        var masked = counted.logical_not();
        // What a masked token holds may be anything, so that nothing is computed from it.
        Tensor Clean(Tensor values) => values.masked_fill(masked, zero);
        var totals = new SequenceTotals(input.Sequences, input.SequenceCount);
        var logprobs = Clean(input.Logprobs);
        var old = Clean(input.OldLogprobs);

        var logRatios = LogRatios.Of(recipe.RatioLevel, logprobs - old, counted, totals);
        var ratio = LogRatios.Clamped(logRatios, recipe.LogRatioClamp).exp();
        var loss = Surrogates.Of(recipe, ratio, logprobs, Clean(input.Advantages));

        ImportanceWeights? importance = null;
        if (recipe.ImportanceCorrection != ImportanceCorrection.None)
        {
            var sampler = Required(input.SamplerLogprobs, "the sampler");
            importance = ImportanceWeights.Of(recipe, old - Clean(sampler), totals);
            loss *= importance.Values;
        }

        if (recipe is { NeedsReference: true, KlIn: KlIn.Loss })
        {
            var reference = Clean(Required(input.ReferenceLogprobs, "the reference"));
            loss = loss.add(KlEstimates.Of(recipe.KlEstimator, reference - logprobs).mul(beta), Scalars.One);
        }

        return new TokenLoss(
            (loss * input.Weights).sum().MoveToOuterDisposeScope(),
            LossStatistics.OnDevice(recipe, counted, ratio, input.Advantages, importance)
                .MoveToOuterDisposeScope());
    }

    private static Tensor Required(Tensor? logprobs, string whose) =>
        logprobs ?? throw new ArgumentException($"The recipe needs the log-probabilities of {whose}.");
}

/// <summary>Sums over tokens on their device. The caller owns them.</summary>
/// <param name="Loss">The weighted loss, a scalar, differentiable.</param>
/// <param name="Statistics">What <see cref="LossStatistics.Read"/> reads.</param>
internal sealed record TokenLoss(Tensor Loss, Tensor Statistics) : IDisposable
{
    public void Dispose()
    {
        Loss.Dispose();
        Statistics.Dispose();
    }
}
