using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training;

/// <summary>One completion of a batch, and what becomes known of it during its training step.</summary>
/// <param name="id">Names it in errors.</param>
/// <param name="sequence">Prompt and completion.</param>
/// <param name="samplerLogprobs">[completion] log p of the sampler before any filter; 0 where a token was not sampled.</param>
/// <param name="samplingLogprobs">[completion] log μ, likewise, after the filters; null where μ is p.</param>
/// <param name="sampled">[completion] false where a token is not the policy's; null where all are.</param>
/// <param name="isInLoss">False for a completion that is masked as a whole, because it was truncated.</param>
internal sealed class PolicySample(
    SequenceId id, TokenSequence sequence, float[] samplerLogprobs, float[]? samplingLogprobs, bool[]? sampled,
    bool isInLoss)
{
    public SequenceId Id => id;

    public TokenSequence Sequence => sequence;

    public float[] SamplerLogprobs => samplerLogprobs;

    /// <summary>[completion] what an importance weight subtracts from log π_old.</summary>
    public float[] ImportanceLogprobs(ImportanceSupport support) =>
        support == ImportanceSupport.Kept ? samplerLogprobs : samplingLogprobs ?? samplerLogprobs;

    public bool[]? Sampled => sampled;

    /// <summary>L: tokens in the loss.</summary>
    public int LossTokens { get; } = isInLoss ? sampled?.Count(one => one) ?? sequence.Completion.Length : 0;

    /// <summary>The advantage of each of its tokens.</summary>
    public float Advantage { get; set; }

    /// <summary>True if it adds to the gradient.</summary>
    public bool HasGradient { get; set; }

    /// <summary>[completion] log π before the batch's first update; null where one update needs no copy of it.</summary>
    public float[]? OldLogprobs { get; set; }

    /// <summary>π_old/p of each token that was sampled, before any filter; none where log π_old has no copy.</summary>
    public IEnumerable<double> SamplerRatios =>
        from i in Enumerable.Range(0, OldLogprobs?.Length ?? 0)
        where sampled is null || sampled[i]
        select Math.Exp(OldLogprobs![i] - (double)samplerLogprobs[i]);

    /// <summary>[completion] log π_ref; null without a reference.</summary>
    public float[]? ReferenceLogprobs { get; set; }

    /// <summary>[completion] the factor of each token's loss: 0 where a token was not sampled.</summary>
    public float[] WeightOfEach(float weight) => sampled is null
        ? [.. Enumerable.Repeat(weight, sequence.Completion.Length)]
        : [.. sampled.Select(one => one ? weight : 0)];
}
