using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training.Losses;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>Sums over sampled tokens of what the policy says of them before the batch's first update.</summary>
/// <param name="Tokens">How many.</param>
/// <param name="Surprise">Σ −log π.</param>
/// <param name="Difference">Σ |log π − log p|, with p the sampler's before any filter.</param>
/// <param name="DifferenceMax">Its largest term.</param>
/// <param name="Kl">Σ of the KL estimate; 0 without a reference.</param>
internal sealed record LogprobSums(double Tokens, double Surprise, double Difference, double DifferenceMax, double Kl)
{
    /// <summary>Numbers of <see cref="OnDevice"/>.</summary>
    public const int Width = 5;

    public static readonly LogprobSums None = new(0, 0, 0, 0, 0);

    public static LogprobSums operator +(LogprobSums left, LogprobSums right) => new(
        left.Tokens + right.Tokens,
        left.Surprise + right.Surprise,
        left.Difference + right.Difference,
        Math.Max(left.DifferenceMax, right.DifferenceMax),
        left.Kl + right.Kl);

    /// <summary>The numbers of <see cref="OnDevice"/>, read.</summary>
    public static LogprobSums Read(ReadOnlySpan<double> row) => new(row[0], row[1], row[2], row[3], row[4]);

    /// <summary>[<see cref="Width"/>] float64 on the device, in the order of the parameters.</summary>
    /// <param name="logprobs">[tokens] log π.</param>
    /// <param name="samplerLogprobs">[tokens] log p.</param>
    /// <param name="inserted">[tokens] bool: not sampled; null where all were.</param>
    /// <param name="estimator">The estimate of KL(π‖π_ref).</param>
    /// <param name="reference">[tokens] log π_ref; null where it is not known.</param>
    public static Tensor OnDevice(
        Tensor logprobs, Tensor samplerLogprobs, Tensor? inserted, KlEstimator estimator, Tensor? reference)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using Scalar zero = 0.0.ToScalar(), count = ((double)logprobs.numel()).ToScalar();
        Tensor Clean(Tensor values) => inserted is null ? values : values.masked_fill(inserted, zero);
        var wide = Clean(logprobs.to_type(ScalarType.Float64)); // [tokens]
        var difference = Clean((wide - samplerLogprobs).abs()); // [tokens]
        var tokens = inserted is null
            ? full([], count, ScalarType.Float64, logprobs.device)
            : inserted.logical_not().sum(ScalarType.Float64);
        var kl = reference is null
            ? zeros_like(tokens)
            : Clean(KlEstimates.Of(estimator, reference - logprobs.to_type(ScalarType.Float64))).sum();
        return stack([tokens, -wide.sum(), difference.sum(), difference.max(), kl]).MoveToOuterDisposeScope();
    }
}
