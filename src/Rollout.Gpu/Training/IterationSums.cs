using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>The sums of one forward and backward pass over the batch.</summary>
/// <param name="Loss">The aggregated loss.</param>
/// <param name="Clipped">Tokens whose gradient the clip removed.</param>
/// <param name="Kl">Σ k3 against the reference.</param>
/// <param name="Surprise">Σ −log π of the sampled tokens.</param>
/// <param name="Difference">Σ |log π − log μ|.</param>
/// <param name="DifferenceMax">Its largest term.</param>
internal sealed record IterationSums(
    double Loss, double Clipped, double Kl, double Surprise, double Difference, double DifferenceMax)
{
    public static readonly IterationSums None = new(0, 0, 0, 0, 0, 0);

    public static IterationSums operator +(IterationSums left, IterationSums right) => new(
        left.Loss + right.Loss,
        left.Clipped + right.Clipped,
        left.Kl + right.Kl,
        left.Surprise + right.Surprise,
        left.Difference + right.Difference,
        Math.Max(left.DifferenceMax, right.DifferenceMax));

    /// <summary>
    /// [6] float64 on the device: the sums of one chunk. Reading them waits for the device, so the pass reads all at
    /// its end.
    /// </summary>
    public static Tensor OnDevice(TokenLoss loss, Tensor logprobs, Tensor samplerLogprobs)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var wide = logprobs.to_type(ScalarType.Float64); // [tokens]
        var difference = (wide - samplerLogprobs).abs(); // [tokens]
        return stack(
        [
            loss.Loss.detach().to_type(ScalarType.Float64), loss.Clipped, loss.Kl,
            -wide.sum(), difference.sum(), difference.max(),
        ]).MoveToOuterDisposeScope();
    }

    /// <summary>[n, 6] → one sum for each row. Waits for the device.</summary>
    public static IterationSums[] Read(IReadOnlyList<Tensor> rows)
    {
        using var scope = NewDisposeScope();
        var values = stack(rows).cpu().data<double>().ToArray();
        return
        [
            .. values.Chunk(6).Select(row =>
                new IterationSums(row[0], row[1], row[2], row[3], row[4], row[5])),
        ];
    }
}
