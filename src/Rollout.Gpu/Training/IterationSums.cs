using Rollout.Gpu.Training.Losses;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>The sums of one forward and backward pass over the batch.</summary>
/// <param name="Loss">The aggregated loss.</param>
/// <param name="Statistics">What the loss did to its tokens.</param>
/// <param name="Surprise">Σ −log π of the sampled tokens.</param>
/// <param name="Difference">Σ |log π − log μ|.</param>
/// <param name="DifferenceMax">Its largest term.</param>
internal sealed record IterationSums(
    double Loss, LossStatistics Statistics, double Surprise, double Difference, double DifferenceMax)
{
    public static readonly IterationSums None = new(0, LossStatistics.None, 0, 0, 0);

    public static IterationSums operator +(IterationSums left, IterationSums right) => new(
        left.Loss + right.Loss,
        left.Statistics + right.Statistics,
        left.Surprise + right.Surprise,
        left.Difference + right.Difference,
        Math.Max(left.DifferenceMax, right.DifferenceMax));

    /// <summary>
    /// [4 + <see cref="LossStatistics.Width"/>] float64 on the device: the sums of one chunk. Reading them waits for the
    /// device, so the pass reads all at its end.
    /// </summary>
    public static Tensor OnDevice(TokenLoss loss, Tensor logprobs, Tensor samplerLogprobs)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var wide = logprobs.to_type(ScalarType.Float64); // [tokens]
        var difference = (wide - samplerLogprobs).abs(); // [tokens]
        var own = stack(
        [
            loss.Loss.detach().to_type(ScalarType.Float64), -wide.sum(), difference.sum(), difference.max(),
        ]);
        return cat([own, loss.Statistics]).MoveToOuterDisposeScope();
    }

    /// <summary>[n, 4 + width] → one sum for each row. Waits for the device.</summary>
    public static IterationSums[] Read(IReadOnlyList<Tensor> rows)
    {
        using var scope = NewDisposeScope();
        var values = stack(rows).cpu().data<double>().ToArray();
        return
        [
            .. values.Chunk(4 + LossStatistics.Width).Select(row => new IterationSums(
                row[0], LossStatistics.Read(row.AsSpan(4)), row[1], row[2], row[3])),
        ];
    }
}
