using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training.Losses;

namespace Rollout.Gpu.Training;

/// <summary>
/// The completions of one optimizer step. Their losses are weighted by what is in this mini-batch, whether it has a
/// gradient or not: as in TRL, groups of equal rewards count in the denominators.
/// </summary>
internal sealed class MiniBatch
{
    private readonly LossWeights _weights;

    /// <param name="samples">All completions of the mini-batch's groups.</param>
    /// <param name="options">How losses are aggregated.</param>
    public MiniBatch(IReadOnlyCollection<PolicySample> samples, GrpoOptions options)
    {
        _weights = LossWeights.Of(
            options.Loss.Aggregation, [.. samples.Select(sample => sample.LossTokens)], options.MaxCompletionLength);
        Samples = [.. samples.Where(sample => sample.HasGradient)];
        LossTokens = samples.Sum(sample => (long)sample.LossTokens);
    }

    /// <summary>The completions to compute: those with a gradient.</summary>
    public IReadOnlyList<PolicySample> Samples { get; }

    /// <summary>Tokens in the loss, also those without a gradient.</summary>
    public long LossTokens { get; }

    /// <summary>[completion] the factor of each token's loss.</summary>
    public float[] WeightsOf(PolicySample sample) =>
        sample.WeightOfEach((float)_weights.OfTokenIn(sample.LossTokens));
}
