namespace Rollout.Actors.Settings;

/// <summary>The section <c>pretrain</c>: supervised learning of a dataset's answers.</summary>
public sealed record PretrainSettings
{
    /// <summary>The most optimizer steps.</summary>
    public required int Steps { get; init; }

    /// <summary>Problems in a step.</summary>
    public required int BatchSize { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>Optimizer steps in which the learning rate rises from 0.</summary>
    public required int WarmupSteps { get; init; }

    /// <summary>Optimizer steps between two evaluations.</summary>
    public required int EvalEvery { get; init; }

    /// <summary>Training ends at this greedy accuracy on the held-out problems.</summary>
    public required double StopAt { get; init; }

    public static PretrainSettings From(ConfigSection section) => new()
    {
        Steps = section.Whole("steps", Bounds.AtLeast(1)),
        BatchSize = section.Whole("batch-size", Bounds.Between(1, 1_000_000)),
        LearningRate = section.Number("learning-rate", Bounds.AboveUpTo(0, 1)),
        WarmupSteps = section.Whole("warmup-steps", Bounds.AtLeast(0)),
        EvalEvery = section.Whole("eval-every", Bounds.AtLeast(1)),
        StopAt = section.Number("stop-at", Bounds.AboveUpTo(0, 1)),
    };
}
