using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training;

/// <summary>
/// The factor of each token's loss that makes the sum over the batch the aggregated loss. The denominators are those
/// of the whole batch, so splitting it into micro-batches changes no gradient. As in TRL they count every sequence
/// and token, also of groups with equal rewards, which are not computed.
/// </summary>
/// <param name="Type">The aggregation.</param>
/// <param name="Sequences">Completions of the batch.</param>
/// <param name="Tokens">Completion tokens of the batch.</param>
/// <param name="MaxCompletionLength">New tokens at most: Dr.GRPO's constant.</param>
internal sealed record LossWeights(LossType Type, int Sequences, long Tokens, int MaxCompletionLength)
{
    /// <summary>The weight of each token of one completion of that many tokens.</summary>
    public double OfTokenIn(int completionLength) => Type switch
    {
        // mean_i( Σ_t ℓ / max(L_i, 1) )
        LossType.Grpo => 1.0 / ((double)Math.Max(Sequences, 1) * Math.Max(completionLength, 1)),
        // Σ ℓ / (B · max_completion_length)
        LossType.DrGrpo => 1.0 / ((double)Math.Max(Sequences, 1) * MaxCompletionLength),
        // Σ ℓ / Σ_i L_i
        LossType.Dapo => 1.0 / Math.Max(Tokens, 1),
        _ => throw new InvalidOperationException(
            $"Loss type {Type} is unknown; expected Grpo, DrGrpo or Dapo."),
    };
}
