using Rollout.Host.Tracking;
using Rollout.Host.View;

namespace Rollout.Host.Tests.Support;

/// <summary>Metrics of made-up training steps.</summary>
internal static class Reports
{
    public static StepMetrics Step(int step, double? heldOut = null)
    {
        var metrics = new StepMetrics(step, new OrderedDictionary<string, double>
        {
            [Metrics.Reward.Name] = 0.125 + (0.02 * step),
            [Metrics.RewardStd.Name] = 0.25,
            [Metrics.RewardP10.Name] = 0,
            [Metrics.RewardP90.Name] = 1,
            [Metrics.EqualRewards.Name] = 0.375,
            [Metrics.MeanLength.Name] = 5.25,
            [Metrics.MinLength.Name] = 2,
            [Metrics.MaxLength.Name] = 12,
            [Metrics.Loss.Name] = -0.0421,
            [Metrics.GradientNorm.Name] = 0.75,
            [Metrics.LearningRate.Name] = 1e-3,
            [Metrics.Entropy.Name] = 0.5,
            [Metrics.Kl.Name] = 0.0012345,
            [Metrics.ClipFraction.Name] = 0.0156,
            [Metrics.ClipFractionLow.Name] = 0.01,
            [Metrics.ClipFractionHigh.Name] = 0.0056,
            [Metrics.LogprobDifferenceMean.Name] = 1.25e-6,
            [Metrics.LogprobDifferenceMax.Name] = 4.5e-5,
            [Metrics.PolicyVersion.Name] = step,
            [Metrics.FailedGroups.Name] = 0,
            [Metrics.StepSeconds.Name] = 2.5,
            [Metrics.RolloutSeconds.Name] = 1.5,
            [Metrics.TrainSeconds.Name] = 0.75,
            [Metrics.OtherSeconds.Name] = 0.25,
            [Metrics.RolloutRate.Name] = 12345.6,
            [Metrics.TrainRate.Name] = 6789.4,
            [Metrics.BlocksPeak.Name] = 96,
            [Metrics.BlocksTotal.Name] = 512,
            [Metrics.SharingRatio.Name] = 2.5,
            [Metrics.Preemptions.Name] = 0,
        });
        return heldOut is { } share ? metrics.With(Metrics.HeldOutAccuracy, share) : metrics;
    }

    /// <summary>The totals of a run with these steps, and an accuracy before them.</summary>
    public static RunTotals Totals(IEnumerable<StepMetrics> steps, HeldOutAccuracy? start = null)
    {
        var run = new RunTotals();
        if (start is not null)
            run.Add(start);
        foreach (var step in steps)
            run.Add(step);
        return run;
    }

    /// <summary>The same metrics with another value of one; null takes it out.</summary>
    public static StepMetrics With(this StepMetrics metrics, Metric metric, double? value)
    {
        var values = new OrderedDictionary<string, double>(metrics.Values);
        values.Remove(metric.Name);
        if (value is { } number)
            values.Add(metric.Name, number);
        return new StepMetrics(metrics.Step, values);
    }
}
