namespace Rollout.Gpu.Contracts;

/// <summary>
/// The parts of a policy loss. A <see cref="LossType"/> names a combination; each part can be changed by itself.
/// docs/recipes.md has the settings of TRL and verl that each corresponds to.
/// </summary>
public sealed record LossRecipe
{
    public required AdvantageBaseline Baseline { get; init; }

    public required ScaleRewards ScaleRewards { get; init; }

    /// <summary>Added to the standard deviation that divides: 1e-4 in TRL, 1e-6 in verl.</summary>
    public required double ScaleOffset { get; init; }

    public required RatioLevel RatioLevel { get; init; }

    public required Surrogate Surrogate { get; init; }

    /// <summary>The ratio is bounded below at 1 − epsilon; 1 sets no bound.</summary>
    public required double Epsilon { get; init; }

    /// <summary>The ratio is bounded above at 1 + epsilon-high.</summary>
    public required double EpsilonHigh { get; init; }

    /// <summary>
    /// Bounds the ratio where the advantage is negative: TRL's delta, verl's clip_ratio_c. 0 sets no bound.
    /// </summary>
    public double Delta { get; init; }

    /// <summary>Log-ratios are bounded to ± this before they are exponentiated; 0 sets no bound.</summary>
    public double LogRatioClamp { get; init; }

    /// <summary>SAPO's temperature where the advantage is positive.</summary>
    public double SapoTemperature { get; init; } = 1;

    /// <summary>SAPO's temperature where the advantage is not positive.</summary>
    public double SapoTemperatureNegative { get; init; } = 1.05;

    public required LossAggregation Aggregation { get; init; }

    /// <summary>Weight of the KL term against the reference; 0 keeps no reference.</summary>
    public double Beta { get; init; }

    public KlEstimator KlEstimator { get; init; } = KlEstimator.K3;

    public KlIn KlIn { get; init; }

    public ImportanceCorrection ImportanceCorrection { get; init; }

    public ImportanceSupport ImportanceSupport { get; init; }

    /// <summary>The largest importance weight.</summary>
    public double ImportanceCap { get; init; } = 3;

    /// <summary>The smallest importance weight; 0 sets no bound.</summary>
    public double ImportanceFloor { get; init; }

    /// <summary>
    /// True where the loss of one token needs all tokens of its completion.
    /// </summary>
    public bool NeedsWholeCompletions => RatioLevel != RatioLevel.Token || ImportanceCorrection
        is ImportanceCorrection.SequenceTruncate or ImportanceCorrection.SequenceMask;

    /// <summary>True where log-probabilities of a reference policy are needed.</summary>
    public bool NeedsReference => Beta > 0;

    /// <summary>True where the KL term is subtracted from the rewards.</summary>
    public bool PenalizesRewards => Beta > 0 && KlIn == KlIn.Reward;

    /// <summary>The parts that a loss type stands for, with the values of its paper.</summary>
    public static LossRecipe Of(LossType type) => type switch
    {
        LossType.Grpo => Grpo,
        LossType.DrGrpo => Grpo with
        {
            ScaleRewards = ScaleRewards.None,
            Aggregation = LossAggregation.SeqMeanTokenSumNorm,
        },
        LossType.Bnpo => Grpo with { Aggregation = LossAggregation.TokenMean },
        LossType.Dapo => Grpo with { Aggregation = LossAggregation.TokenMean, EpsilonHigh = 0.28 },
        LossType.Gspo => Grpo with { RatioLevel = RatioLevel.Sequence, Epsilon = 3e-4, EpsilonHigh = 4e-4 },
        LossType.Cispo => Grpo with
        {
            Surrogate = Surrogate.Cispo,
            Epsilon = 1,
            EpsilonHigh = 4,
            Aggregation = LossAggregation.TokenMean,
        },
        LossType.Sapo => Grpo with { Surrogate = Surrogate.Sapo },
        LossType.Rloo => Grpo with
        {
            Baseline = AdvantageBaseline.LeaveOneOut,
            ScaleRewards = ScaleRewards.None,
            RatioLevel = RatioLevel.SequenceSum,
            KlEstimator = KlEstimator.K1,
            KlIn = KlIn.Reward,
        },
        LossType.ReinforcePlusPlus => Reinforce with { Baseline = AdvantageBaseline.None },
        LossType.ReinforcePlusPlusBaseline => Reinforce,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Expected a known loss type."),
    };

    private static LossRecipe Grpo { get; } = new()
    {
        Baseline = AdvantageBaseline.Group,
        ScaleRewards = ScaleRewards.Group,
        ScaleOffset = 1e-4,
        RatioLevel = RatioLevel.Token,
        Surrogate = Surrogate.Clip,
        Epsilon = 0.2,
        EpsilonHigh = 0.2,
        Aggregation = LossAggregation.SeqMeanTokenMean,
    };

    private static LossRecipe Reinforce { get; } = Grpo with
    {
        ScaleRewards = ScaleRewards.Whiten,
        ScaleOffset = 1e-8,
        Aggregation = LossAggregation.TokenMean,
        KlEstimator = KlEstimator.K1,
        KlIn = KlIn.Reward,
    };
}
