namespace Rollout.Gpu.Contracts;

/// <summary>Names of known combinations of the parts of a loss; <see cref="LossRecipe.Of"/> has them.</summary>
public enum LossType
{
    /// <summary>Shao et al. 2024, arXiv:2402.03300.</summary>
    Grpo,

    /// <summary>No length bias and no division by the deviation: Liu et al. 2025, arXiv:2503.20783.</summary>
    DrGrpo,

    /// <summary>GRPO averaged over tokens: TRL's bnpo.</summary>
    Bnpo,

    /// <summary>Averaged over tokens, clipped higher above: Yu et al. 2025, arXiv:2503.14476.</summary>
    Dapo,

    /// <summary>One ratio a completion: Zheng et al. 2025, arXiv:2507.18071.</summary>
    Gspo,

    /// <summary>A bounded, detached ratio times log π: MiniMax 2025, arXiv:2506.13585.</summary>
    Cispo,

    /// <summary>A soft gate in place of the clip: Gao et al. 2025, arXiv:2511.20347.</summary>
    Sapo,

    /// <summary>The mean of the others as baseline: Ahmadian et al. 2024, arXiv:2402.14740.</summary>
    Rloo,

    /// <summary>Rewards whitened over the batch: Hu et al. 2025, arXiv:2501.03262.</summary>
    ReinforcePlusPlus,

    /// <summary>The same after each group's mean was subtracted.</summary>
    ReinforcePlusPlusBaseline,
}

/// <summary>What is subtracted from a reward.</summary>
public enum AdvantageBaseline
{
    /// <summary>The mean of its group.</summary>
    Group,

    /// <summary>The mean of the others of its group.</summary>
    LeaveOneOut,

    /// <summary>Nothing.</summary>
    None,
}

/// <summary>What rewards are divided by after the baseline was subtracted.</summary>
public enum ScaleRewards
{
    /// <summary>The standard deviation of the group's rewards, plus the offset.</summary>
    Group,

    /// <summary>The standard deviation of all rewards of the batch, plus the offset.</summary>
    Batch,

    /// <summary>
    /// Their own standard deviation over the batch, plus the offset, after their mean over the batch was subtracted.
    /// </summary>
    Whiten,

    /// <summary>Nothing.</summary>
    None,
}

/// <summary>What the ratio of two policies is taken of. L is the number of a completion's tokens in the loss.</summary>
public enum RatioLevel
{
    /// <summary>Each token: π/π_old.</summary>
    Token,

    /// <summary>The completion, per token: (Π π/π_old)^(1/L).</summary>
    Sequence,

    /// <summary>The completion: Π π/π_old.</summary>
    SequenceSum,
}

/// <summary>The term that the ratio ρ and the advantage A form.</summary>
public enum Surrogate
{
    /// <summary>PPO's pessimistic clip: −min(ρA, clip(ρ)A).</summary>
    Clip,

    /// <summary>−sg(clip(ρ)) · A · log π.</summary>
    Cispo,

    /// <summary>−(4/τ) · σ(τ(ρ − 1)) · A.</summary>
    Sapo,

    /// <summary>−A · log π, without a ratio: right for one update of each batch only.</summary>
    PolicyGradient,
}

/// <summary>How token losses ℓ become one loss; B completions, L_i tokens in the loss of each.</summary>
public enum LossAggregation
{
    /// <summary>1/B · Σ_i 1/L_i · Σ_t ℓ.</summary>
    SeqMeanTokenMean,

    /// <summary>Σ ℓ / Σ_i L_i.</summary>
    TokenMean,

    /// <summary>1/B · Σ_i Σ_t ℓ.</summary>
    SeqMeanTokenSum,

    /// <summary>1/B · Σ_i Σ_t ℓ / max_completion_length.</summary>
    SeqMeanTokenSumNorm,
}

/// <summary>Estimates of the KL divergence from samples, with d = log π_ref − log π (Schulman 2020).</summary>
public enum KlEstimator
{
    /// <summary>−d.</summary>
    K1,

    /// <summary>d²/2.</summary>
    K2,

    /// <summary>e^d − d − 1.</summary>
    K3,
}

/// <summary>Where the KL term is.</summary>
public enum KlIn
{
    /// <summary>Added to each token's loss.</summary>
    Loss,

    /// <summary>Its sum over a completion is subtracted from the reward before advantages are computed.</summary>
    Reward,
}

/// <summary>
/// How the loss is weighted by w, what the trainer's π_old says of a token over what it was sampled with:
/// <see cref="ImportanceSupport"/>.
/// </summary>
public enum ImportanceCorrection
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>Each token's w, bounded.</summary>
    TokenTruncate,

    /// <summary>Each token's w; 0 outside of the bounds.</summary>
    TokenMask,

    /// <summary>The product of a completion's w, bounded.</summary>
    SequenceTruncate,

    /// <summary>The product of a completion's w; 0 outside of the bounds.</summary>
    SequenceMask,
}

/// <summary>
/// Which tokens π_old is a distribution over in the importance weight, where top-k, top-p or min-p is on. The sampler
/// draws from μ = p/S over the kept tokens K, with p the whole softmax and S = Σ_K p. Without a filter both are π_old/p.
/// </summary>
public enum ImportanceSupport
{
    /// <summary>
    /// The kept ones: w = (π_old/S)/μ = π_old/p, whose mean under μ is Σ_K π_old / S, so 1 where the trainer agrees with
    /// the sampler. The trainer doesn't know K, so S stands for Σ_K π_old: DeepSeek-V3.2's sampling mask
    /// (arXiv:2512.02556, 3.1) up to that difference.
    /// </summary>
    Kept,

    /// <summary>
    /// The whole vocabulary: w = π_old/μ, as in TRL and verl. It is unbiased for the terms of the kept tokens,
    /// Σ_K μ·w·f = Σ_K π_old·f, but its mean is Σ_K π_old, below 1, and the product over a completion goes to 0.
    /// </summary>
    All,
}
