using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Settings;

/// <summary>The section <c>train</c>: the update rule, the optimizer, and the deadlines of a training step.</summary>
public sealed record TrainerSettings
{
    /// <summary>The most samples of a group, and of a step.</summary>
    private const int MostSamplesOfGroup = 65_536, MostSamplesOfStep = 1 << 20;

    /// <summary>Training steps of the run.</summary>
    public required int Steps { get; init; }

    /// <summary>Groups in a step.</summary>
    public required int PromptsPerStep { get; init; }

    /// <summary>Samples in a group.</summary>
    public required int NumGenerations { get; init; }

    /// <summary>Advantages and loss: <c>loss-type</c> with the parts that other keys replace.</summary>
    public required LossRecipe Loss { get; init; }

    /// <summary>Passes over each batch of rollouts.</summary>
    public required int NumIterations { get; init; }

    /// <summary>Groups of one optimizer step; it divides <see cref="PromptsPerStep"/>.</summary>
    public required int MiniBatchPrompts { get; init; }

    /// <summary>Whether and how groups without signal are replaced.</summary>
    public required DynamicSampling DynamicSampling { get; init; }

    /// <summary>Leave completions that reached their token limit out of the loss.</summary>
    public required bool MaskTruncated { get; init; }

    /// <summary>Updates in a row that may be skipped because they are not finite; one more ends the run.</summary>
    public required int MaxSkippedUpdates { get; init; }

    /// <summary>The reference policy of the KL term.</summary>
    public required ReferenceOptions Reference { get; init; }

    /// <summary>Tokens of one forward and backward pass, padding included.</summary>
    public required int MicroBatchTokens { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>Optimizer steps in which the learning rate rises from 0.</summary>
    public required int WarmupSteps { get; init; }

    public required LearningRateSchedule LrSchedule { get; init; }

    /// <summary>What the learning rate falls to.</summary>
    public required double MinLearningRate { get; init; }

    public required double WeightDecay { get; init; }

    public required double AdamBeta1 { get; init; }

    public required double AdamBeta2 { get; init; }

    public required double AdamEpsilon { get; init; }

    /// <summary>The gradient is scaled down to this norm; 0 never clips.</summary>
    public required double MaxGradNorm { get; init; }

    /// <summary>On a GPU, train with operations that give the same result in every run.</summary>
    public required bool Deterministic { get; init; }

    /// <summary>Keep the optimizer's state in host memory.</summary>
    public required bool Offload { get; init; }

    /// <summary>On a GPU, compute forward and backward by libtorch's autograd, and not by kernels.</summary>
    public required bool Autograd { get; init; }

    /// <summary>On a GPU, what the backward pass by kernels computes again in place of keeping it.</summary>
    public required Recomputation Recompute { get; init; }

    /// <summary>Deadlines, concurrency and retries of the reward functions.</summary>
    public required RewardLimits RewardLimits { get; init; }

    /// <summary>A step fails when none of its groups got a token or a reward for this long, unless they wait in line.</summary>
    public required TimeSpan StepTimeout { get; init; }

    /// <exception cref="ConfigurationException">
    /// A value is of the wrong type or out of its range, or two contradict each other.
    /// </exception>
    public static TrainerSettings From(ConfigSection section)
    {
        var settings = Read(section);
        settings.RequireAgreement(section);
        return settings;
    }

    private static TrainerSettings Read(ConfigSection section) => new()
    {
        Steps = section.Whole("steps", Bounds.AtLeast(1)),
        PromptsPerStep = section.Whole("prompts-per-step", Bounds.AtLeast(1)),
        NumGenerations = section.Whole("num-generations", Bounds.Between(1, MostSamplesOfGroup)),
        Loss = LossSettings.From(section),
        NumIterations = section.Whole("num-iterations", Bounds.AtLeast(1)),
        MiniBatchPrompts = section.Whole("mini-batch-prompts", Bounds.AtLeast(1)),
        DynamicSampling = DynamicSampling.From(section),
        MaskTruncated = section.Bool("mask-truncated"),
        MaxSkippedUpdates = section.Whole("max-skipped-updates", Bounds.AtLeast(0)),
        Reference = new ReferenceOptions(
            section.Whole("reference-sync-every", Bounds.AtLeast(0)),
            section.Number("reference-mixup-alpha", Bounds.AboveUpTo(0, 1)),
            section.Bool("reference-offload")),
        MicroBatchTokens = section.Whole("micro-batch-tokens", Bounds.AtLeast(1)),
        LearningRate = section.Number("learning-rate", Bounds.Between(0, 1)),
        WarmupSteps = section.Whole("warmup-steps", Bounds.AtLeast(0)),
        LrSchedule = section.Choice<LearningRateSchedule>("lr-schedule"),
        MinLearningRate = section.Number("min-learning-rate", Bounds.AtLeast(0)),
        WeightDecay = section.Number("weight-decay", Bounds.AtLeast(0)),
        AdamBeta1 = section.Number("adam-beta1", Bounds.FromBelow(0, 1)),
        AdamBeta2 = section.Number("adam-beta2", Bounds.FromBelow(0, 1)),
        AdamEpsilon = section.Number("adam-epsilon", Bounds.Above(0)),
        MaxGradNorm = section.Number("max-grad-norm", Bounds.AtLeast(0)),
        Deterministic = section.Bool("deterministic"),
        Offload = section.Bool("offload"),
        Autograd = section.Bool("autograd"),
        Recompute = section.Choice<Recomputation>("recompute"),
        RewardLimits = RewardLimits.From(section),
        StepTimeout = section.Duration("step-timeout"),
    };

    /// <summary>Refuses a step of more samples than a machine can hold.</summary>
    /// <param name="section">The section that this was read from.</param>
    /// <param name="maxTokens">The most tokens of a sample.</param>
    /// <param name="memory">The machine's memory in bytes.</param>
    /// <exception cref="ConfigurationException">The step is too large.</exception>
    public void RequireBoundedStep(ConfigSection section, int maxTokens, long memory)
    {
        const int bytesPerToken = sizeof(int) + sizeof(float); // its id and its log-probability
        var samples = (long)PromptsPerStep * NumGenerations;
        if (samples > MostSamplesOfStep)
        {
            throw section.Invalid(
                "prompts-per-step",
                $"at most {MostSamplesOfStep / NumGenerations}, as num-generations is {NumGenerations} and a step has at most"
                + $" {MostSamplesOfStep} samples");
        }
        if (samples > memory / bytesPerToken / maxTokens)
        {
            throw section.Invalid(
                "prompts-per-step",
                $"fewer, as {samples} samples of {maxTokens} tokens (sampling.max-tokens) need more than the {memory} bytes of"
                + " this machine");
        }
    }

    /// <summary>
    /// The options of the trainer, which divides its logits by the temperature that sampled the tokens.
    /// </summary>
    /// <param name="sampling">How tokens are sampled.</param>
    /// <param name="seed">The run's seed.</param>
    public GrpoOptions ToGrpoOptions(SamplingSettings sampling, ulong seed) => new()
    {
        Loss = Loss,
        NumIterations = NumIterations,
        MiniBatchPrompts = MiniBatchPrompts,
        Seed = seed,
        MaskTruncated = MaskTruncated,
        MaxSkippedUpdates = MaxSkippedUpdates,
        Reference = Reference,
        Temperature = sampling.Temperature,
        MaxCompletionLength = sampling.MaxTokens,
        MicroBatchTokens = MicroBatchTokens,
        LearningRate = LearningRate,
        WarmupSteps = WarmupSteps,
        LrSchedule = LrSchedule,
        TotalSteps = Steps * StepsOfBatch,
        MinLearningRate = MinLearningRate,
        WeightDecay = WeightDecay,
        AdamBeta1 = AdamBeta1,
        AdamBeta2 = AdamBeta2,
        AdamEpsilon = AdamEpsilon,
        MaxGradNorm = MaxGradNorm,
        Deterministic = Deterministic,
        Offload = Offload,
        Autograd = Autograd,
        Recompute = Recompute,
    };

    /// <summary>Optimizer steps on each batch of rollouts.</summary>
    private int StepsOfBatch => NumIterations * (PromptsPerStep / MiniBatchPrompts);

    private void RequireAgreement(ConfigSection section)
    {
        if (PromptsPerStep % MiniBatchPrompts != 0)
            throw section.Invalid("mini-batch-prompts", $"a divisor of prompts-per-step, which is {PromptsPerStep}");
        if (MinLearningRate > LearningRate)
        {
            throw section.Invalid(
                "min-learning-rate", FormattableString.Invariant($"at most learning-rate, which is {LearningRate}"));
        }
        if (Reference.SyncEvery > 0 && !Loss.NeedsReference)
            throw section.Invalid("reference-sync-every", "0, as beta is 0 and there is no reference");
        if (Loss.Surrogate == Surrogate.PolicyGradient && MiniBatchPrompts < PromptsPerStep)
        {
            throw section.Invalid(
                "mini-batch-prompts",
                $"prompts-per-step, which is {PromptsPerStep}, as surrogate is policy-gradient, which has no ratio to older"
                + " weights");
        }
    }
}
