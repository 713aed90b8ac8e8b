namespace Rollout.Gpu.Contracts;

/// <summary>The course of the learning rate after its warm-up.</summary>
public enum LearningRateSchedule
{
    /// <summary>It stays the same.</summary>
    Constant,

    /// <summary>It falls linearly to the lowest rate.</summary>
    Linear,

    /// <summary>It falls to the lowest rate along half a cosine.</summary>
    Cosine,
}

/// <summary>
/// The learning rate of each optimizer step. It rises linearly from 1/n of the highest rate to all of it at step n, the
/// end of the warm-up, then follows the schedule, and is the lowest rate after the last step. A skipped update is no
/// optimizer step: the next one has its rate, as in the Hugging Face Trainer.
/// </summary>
/// <param name="Highest">The rate at the end of the warm-up.</param>
/// <param name="WarmupSteps">n; 0 and 1 are no warm-up.</param>
/// <param name="Schedule">The course after the warm-up.</param>
/// <param name="TotalSteps">Optimizer steps of the run, warm-up included.</param>
/// <param name="Lowest">What the rate falls to.</param>
public sealed record LearningRate(
    double Highest, int WarmupSteps, LearningRateSchedule Schedule, int TotalSteps, double Lowest)
{
    /// <summary>The rate of the next optimizer step.</summary>
    /// <param name="steps">Optimizer steps made so far.</param>
    public double After(int steps)
    {
        var warmup = Math.Max(WarmupSteps, 1);
        if (steps + 1 < warmup)
            return Highest * ((steps + 1.0) / warmup);

        // 1 at the end of the warm-up, 0 in the step after the last.
        var left = Math.Clamp((TotalSteps - steps) / Math.Max(TotalSteps - warmup + 1.0, 1), 0, 1);
        return Schedule switch
        {
            LearningRateSchedule.Constant => Highest,
            LearningRateSchedule.Linear => Lowest + ((Highest - Lowest) * left),
            LearningRateSchedule.Cosine => Lowest + ((Highest - Lowest) * (1 - Math.Cos(Math.PI * left)) / 2),
            _ => throw new InvalidOperationException($"The schedule {Schedule} is not known."),
        };
    }
}
