using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Settings;

/// <summary>What becomes of an example that is longer than the limit.</summary>
public enum TooLong
{
    /// <summary>It ends the command before anything is trained.</summary>
    Refuse,

    /// <summary>It is left out, and counted.</summary>
    Drop,
}

/// <summary>The section <c>sft</c>: supervised fine-tuning on prompts and answers.</summary>
public sealed record SftSettings
{
    /// <summary>Optimizer steps; 0 takes <see cref="Epochs"/>.</summary>
    public required int Steps { get; init; }

    /// <summary>Passes over the training examples.</summary>
    public required double Epochs { get; init; }

    /// <summary>Examples of an optimizer step.</summary>
    public required int BatchSize { get; init; }

    /// <summary>The most tokens of an example; 0 takes the model's limit.</summary>
    public required int MaxLength { get; init; }

    public required TooLong TooLong { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>Optimizer steps in which the learning rate rises from 0.</summary>
    public required int WarmupSteps { get; init; }

    public required LearningRateSchedule LrSchedule { get; init; }

    /// <summary>What the learning rate falls to.</summary>
    public required double MinLearningRate { get; init; }

    /// <summary>The gradient is scaled down to this norm; 0 never clips.</summary>
    public required double MaxGradNorm { get; init; }

    /// <summary>Optimizer steps between two evaluations; 0 evaluates only before the first and after the last.</summary>
    public required int EvalEvery { get; init; }

    /// <exception cref="ConfigurationException">A value is of the wrong type or out of its range.</exception>
    public static SftSettings From(ConfigSection section)
    {
        var settings = new SftSettings
        {
            Steps = section.Whole("steps", Bounds.AtLeast(0)),
            Epochs = section.Number("epochs", Bounds.AboveUpTo(0, 1_000_000)),
            BatchSize = section.Whole("batch-size", Bounds.Between(1, 1_000_000)),
            MaxLength = section.Whole("max-length", Bounds.AtLeast(0)),
            TooLong = section.Choice<TooLong>("too-long"),
            LearningRate = section.Number("learning-rate", Bounds.AboveUpTo(0, 1)),
            WarmupSteps = section.Whole("warmup-steps", Bounds.AtLeast(0)),
            LrSchedule = section.Choice<LearningRateSchedule>("lr-schedule"),
            MinLearningRate = section.Number("min-learning-rate", Bounds.AtLeast(0)),
            MaxGradNorm = section.Number("max-grad-norm", Bounds.AtLeast(0)),
            EvalEvery = section.Whole("eval-every", Bounds.AtLeast(0)),
        };
        return settings.MinLearningRate <= settings.LearningRate
            ? settings
            : throw section.Invalid(
                "min-learning-rate", FormattableString.Invariant($"at most learning-rate, which is {settings.LearningRate}"));
    }

    /// <summary>The optimizer steps of a run.</summary>
    /// <param name="examples">Training examples that are not left out.</param>
    /// <returns>Epochs are rounded up to whole steps; more than an int holds is its largest value.</returns>
    public int StepsOver(long examples) =>
        Steps > 0 ? Steps : (int)Math.Min(int.MaxValue, Math.Ceiling(Epochs * examples / BatchSize));

    /// <param name="totalSteps">The optimizer steps of the run.</param>
    public LearningRate Rate(int totalSteps) => new(LearningRate, WarmupSteps, LrSchedule, totalSteps, MinLearningRate);
}
