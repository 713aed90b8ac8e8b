using Rollout.Gpu.Contracts;

namespace Rollout.Host.Tracking;

/// <summary>The metrics of supervised fine-tuning, named as TRL's <c>SFTTrainer</c> does. docs/metrics.md describes them.</summary>
internal static class SftMetrics
{
    public const string Tokens = "num_tokens";

    private const string EvalLoss = "eval_loss", EvalTokenAccuracy = "eval_mean_token_accuracy";

    /// <param name="step">The step's number, from 1.</param>
    /// <param name="made">What the trainer did.</param>
    /// <param name="epoch">Passes over the examples so far.</param>
    /// <param name="tokens">Prompt and answer tokens since the run began.</param>
    /// <param name="seconds">The step's time.</param>
    /// <param name="heldOut">Measured after the step; null where it was not.</param>
    public static StepMetrics Of(
        int step, SupervisedStep made, double epoch, double tokens, double seconds, SupervisedFit? heldOut)
    {
        var values = new OrderedDictionary<string, double>
        {
            ["loss"] = made.Fit.Loss,
            ["mean_token_accuracy"] = made.Fit.TokenAccuracy,
            ["grad_norm"] = made.GradientNorm,
            ["learning_rate"] = made.LearningRate,
            [Metrics.SkippedUpdates.Name] = made.Skipped is null ? 0 : 1,
            [Metrics.MicroBatchSplits.Name] = made.MicroBatchSplits,
            ["epoch"] = epoch,
            [Tokens] = tokens,
            ["step_time"] = seconds,
        };
        Add(heldOut, values);
        return new StepMetrics(step, values);
    }

    /// <summary>Step 0: what was measured before training.</summary>
    public static StepMetrics BeforeTraining(SupervisedFit heldOut)
    {
        var values = new OrderedDictionary<string, double>();
        Add(heldOut, values);
        return new StepMetrics(0, values);
    }

    private static void Add(SupervisedFit? heldOut, OrderedDictionary<string, double> values)
    {
        if (heldOut is null)
            return;
        values[EvalLoss] = heldOut.Loss;
        values[EvalTokenAccuracy] = heldOut.TokenAccuracy;
    }
}
