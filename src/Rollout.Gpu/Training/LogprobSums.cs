using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>Sums over sampled tokens of what the policy says of them before the batch's first update.</summary>
/// <param name="Tokens">How many.</param>
/// <param name="Surprise">Σ −log π.</param>
/// <param name="Difference">Σ |log π − log p|, with p the sampler's before any filter.</param>
/// <param name="DifferenceMax">Its largest term.</param>
internal sealed record LogprobSums(double Tokens, double Surprise, double Difference, double DifferenceMax)
{
    /// <summary>Numbers of <see cref="OnDevice"/>.</summary>
    public const int Width = 4;

    public static readonly LogprobSums None = new(0, 0, 0, 0);

    public static LogprobSums operator +(LogprobSums left, LogprobSums right) => new(
        left.Tokens + right.Tokens,
        left.Surprise + right.Surprise,
        left.Difference + right.Difference,
        Math.Max(left.DifferenceMax, right.DifferenceMax));

    /// <summary>The numbers of <see cref="OnDevice"/>, read.</summary>
    public static LogprobSums Read(ReadOnlySpan<double> row) => new(row[0], row[1], row[2], row[3]);

    /// <summary>[<see cref="Width"/>] float64 on the device, in the order of the parameters.</summary>
    /// <param name="logprobs">[tokens] log π.</param>
    /// <param name="samplerLogprobs">[tokens] log p.</param>
    /// <param name="inserted">[tokens] bool: not sampled; null where all were.</param>
    public static Tensor OnDevice(Tensor logprobs, Tensor samplerLogprobs, Tensor? inserted)
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
        return stack([tokens, -wide.sum(), difference.sum(), difference.max()]).MoveToOuterDisposeScope();
    }
}
