using Rollout.Gpu.Training.Losses;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>The sums of one forward and backward pass over a mini-batch.</summary>
/// <param name="Loss">The aggregated loss.</param>
/// <param name="Statistics">What the loss did to its tokens.</param>
/// <param name="Logprobs">What the policy says of its tokens.</param>
internal sealed record PassSums(double Loss, LossStatistics Statistics, LogprobSums Logprobs)
{
    private const int Width = 1 + LossStatistics.Width + LogprobSums.Width;

    public static readonly PassSums None = new(0, LossStatistics.None, LogprobSums.None);

    public static PassSums operator +(PassSums left, PassSums right) => new(
        left.Loss + right.Loss, left.Statistics + right.Statistics, left.Logprobs + right.Logprobs);

    /// <summary>[n] float64 on the device: the sums of one chunk of targets, from their parts.</summary>
    public static Tensor OnDevice(TokenLoss loss, Tensor logprobs)
    {
        using var scope = NewDisposeScope();
        return cat([loss.Loss.detach().to_type(ScalarType.Float64).unsqueeze(0), loss.Statistics, logprobs])
            .MoveToOuterDisposeScope();
    }

    /// <summary>Adds up chunks. Waits for the device.</summary>
    public static PassSums Read(IReadOnlyList<Tensor> chunks)
    {
        using var scope = NewDisposeScope();
        return stack(chunks).cpu().data<double>().ToArray().Chunk(Width)
            .Select(row => new PassSums(
                row[0],
                LossStatistics.Read(row.AsSpan(1)),
                LogprobSums.Read(row.AsSpan(1 + LossStatistics.Width))))
            .Aggregate(None, (left, right) => left + right);
    }
}
