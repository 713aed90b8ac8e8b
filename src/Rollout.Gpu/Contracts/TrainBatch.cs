namespace Rollout.Gpu.Contracts;

/// <summary>The finished rollouts of one training step: whole groups only.</summary>
public sealed record TrainBatch(IReadOnlyList<TrainGroup> Groups);

/// <summary>One prompt and all its scored completions.</summary>
/// <param name="Id">Names the group in errors.</param>
/// <param name="Prompt">Token ids of the prompt.</param>
/// <param name="Completions">One entry for each sample.</param>
public sealed record TrainGroup(GroupId Id, int[] Prompt, TrainCompletion[] Completions);

/// <summary>One sampled completion.</summary>
/// <param name="Tokens">Token ids, the stop token included.</param>
/// <param name="SamplerLogprobs">
/// [tokens] log p: the sampler's temperature-scaled log-probability of each token before top-k, top-p and min-p; anything
/// where a token was not sampled.
/// </param>
/// <param name="Reward">The weighted sum of the reward functions; NaN where there is none, as in TRL.</param>
public sealed record TrainCompletion(int[] Tokens, float[] SamplerLogprobs, double Reward)
{
    /// <summary>
    /// [tokens] log μ: the log-probability among the tokens that top-k, top-p and min-p kept; anything where a token was
    /// not sampled. Null where nothing filters, and μ is p.
    /// </summary>
    public float[]? SamplingLogprobs { get; init; }

    /// <summary>
    /// True for each token that the policy sampled. Others, such as a tool's output, are read but not learnt. Null where
    /// all were sampled.
    /// </summary>
    public bool[]? Sampled { get; init; }

    /// <summary>Why the completion ended.</summary>
    public FinishReason Reason { get; init; } = FinishReason.Stop;
}
