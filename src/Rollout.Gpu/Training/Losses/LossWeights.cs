using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training.Losses;

/// <summary>
/// The factor of each token's loss that makes the sum over a mini-batch the aggregated loss. The denominators are
/// those of the whole mini-batch, so splitting it into micro-batches changes no gradient. As in TRL they count every
/// completion and token, also those that need no computing.
/// </summary>
/// <param name="Aggregation">How token losses are aggregated.</param>
/// <param name="Sequences">B: completions of the mini-batch.</param>
/// <param name="Tokens">Σ L_i: tokens of the mini-batch that are not masked.</param>
/// <param name="MaxCompletionLength">New tokens at most: Dr.GRPO's constant.</param>
internal sealed record LossWeights(
    LossAggregation Aggregation, int Sequences, long Tokens, int MaxCompletionLength)
{
    /// <param name="aggregation">How token losses are aggregated.</param>
    /// <param name="lengths">L_i of each completion of the mini-batch: its tokens that are not masked.</param>
    /// <param name="maxCompletionLength">New tokens at most.</param>
    public static LossWeights Of(
        LossAggregation aggregation, IReadOnlyCollection<int> lengths, int maxCompletionLength) =>
        new(aggregation, lengths.Count, lengths.Sum(length => (long)length), maxCompletionLength);

    /// <summary>The weight of each token that is not masked, of a completion with that many of them.</summary>
    public double OfTokenIn(int length)
    {
        var sequences = (double)Math.Max(Sequences, 1);
        return Aggregation switch
        {
            LossAggregation.SeqMeanTokenMean => 1 / (sequences * Math.Max(length, 1)),
            LossAggregation.TokenMean => 1.0 / Math.Max(Tokens, 1),
            LossAggregation.SeqMeanTokenSum => 1 / sequences,
            LossAggregation.SeqMeanTokenSumNorm => 1 / (sequences * MaxCompletionLength),
            _ => throw new InvalidOperationException($"The aggregation {Aggregation} is not known."),
        };
    }
}
