namespace Rollout.Actors.Settings;

/// <summary>The section <c>pretrain</c>.</summary>
public sealed record PretrainSettings
{
    /// <summary>Optimizer steps at most.</summary>
    public required int Steps { get; init; }

    /// <summary>Problems of a step.</summary>
    public required int BatchSize { get; init; }

    public required double LearningRate { get; init; }

    public required int WarmupSteps { get; init; }

    /// <summary>Steps between two evaluations.</summary>
    public required int EvalEvery { get; init; }

    /// <summary>Greedy accuracy on held-out problems that is enough.</summary>
    public required double StopAt { get; init; }

    public static PretrainSettings From(ConfigSection section) => new()
    {
        Steps = section.Whole("steps", Bounds.AtLeast(1)),
        BatchSize = section.Whole("batch-size", Bounds.AtLeast(1)),
        LearningRate = section.Number("learning-rate", Bounds.Above(0)),
        WarmupSteps = section.Whole("warmup-steps", Bounds.AtLeast(0)),
        EvalEvery = section.Whole("eval-every", Bounds.AtLeast(1)),
        StopAt = section.Number("stop-at", Bounds.AboveUpTo(0, 1)),
    };
}
