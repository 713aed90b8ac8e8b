using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Tracking;

/// <summary>
/// Every metric of a training step and how it is computed. docs/metrics.md has units, definitions, and the names that
/// TRL and verl use. The names of the formulas' parts are those of <see cref="TrainStats"/> and
/// <see cref="DecoderStats"/>, which define them.
/// </summary>
public static class Metrics
{
    private static readonly List<Metric> Defined = [];

    public static readonly Metric Reward = Define("reward", step => Rewards(step).Mean());

    /// <summary>As TRL with scale_rewards "group" or "none": the mean of the groups' standard deviations.</summary>
    public static readonly Metric RewardStd = Define(
        "reward_std", step => step.Groups.Select(group => Given(group.Rewards).StandardDeviation()).Mean());

    public static readonly Metric RewardP10 = Define("reward_p10", step => Rewards(step).Quantile(0.1));

    public static readonly Metric RewardP50 = Define("reward_p50", step => Rewards(step).Quantile(0.5));

    public static readonly Metric RewardP90 = Define("reward_p90", step => Rewards(step).Quantile(0.9));

    public static readonly Metric EqualRewards = Define(
        "frac_reward_zero_std", step => DrawnRewards(step).Select(group => Given(group).Distinct().Count() > 1 ? 0.0 : 1).Mean());

    public static readonly Metric HeldOutAccuracy = Define("eval_accuracy", step => step.Evaluation?.Accuracy);

    public static readonly Metric MeanLength = Define("completions/mean_length", step => Lengths(step).Mean());

    public static readonly Metric MinLength = Define("completions/min_length", step => Lengths(step).Quantile(0));

    public static readonly Metric MaxLength = Define("completions/max_length", step => Lengths(step).Quantile(1));

    public static readonly Metric MeanTerminatedLength = Define(
        "completions/mean_terminated_length", step => Lengths(step, FinishReason.Stop).Mean());

    public static readonly Metric MinTerminatedLength = Define(
        "completions/min_terminated_length", step => Lengths(step, FinishReason.Stop).Quantile(0));

    public static readonly Metric MaxTerminatedLength = Define(
        "completions/max_terminated_length", step => Lengths(step, FinishReason.Stop).Quantile(1));

    public static readonly Metric TruncatedShare = Define(
        "completions/clipped_ratio",
        step => Completions(step).Select(done => done.Reason == FinishReason.Length ? 1.0 : 0).Mean());

    public static readonly Metric Loss = Define("loss", step => step.Train.Loss);

    public static readonly Metric GradientNorm = Define("grad_norm", step => step.Train.GradientNorm);

    public static readonly Metric LearningRate = Define("learning_rate", step => step.Train.LearningRate);

    public static readonly Metric Entropy = Define("entropy", step => Measured(step, step.Train.Entropy));

    public static readonly Metric Kl = Define("kl", step => Measured(step, step.Train.Kl));

    public static readonly Metric ClipFraction = Define(
        "clip_ratio/region_mean", step => Trained(step, step.Train.ClipFraction));

    public static readonly Metric ClipFractionLow = Define(
        "clip_ratio/low_mean", step => Trained(step, step.Train.ClipFractionLow));

    public static readonly Metric ClipFractionHigh = Define(
        "clip_ratio/high_mean", step => Trained(step, step.Train.ClipFractionHigh));

    public static readonly Metric RatioMean = Define("ratio/mean", step => Trained(step, step.Train.RatioMean));

    public static readonly Metric RatioMin = Define("ratio/min", step => Trained(step, step.Train.RatioMin));

    public static readonly Metric RatioMax = Define("ratio/max", step => Trained(step, step.Train.RatioMax));

    public static readonly Metric OptimizerSteps = Define("updates/made", step => step.Train.OptimizerSteps);

    public static readonly Metric SkippedUpdates = Define("updates/skipped", step => step.Train.SkippedUpdates.Count);

    public static readonly Metric MicroBatchSplits = Define(
        "updates/micro_batch_splits", step => step.Train.MicroBatchSplits);

    public static readonly Metric ImportanceWeightMean = Define(
        "sampling/importance_sampling_ratio/mean", step => Corrected(step, step.Train.ImportanceWeightMean));

    public static readonly Metric ImportanceWeightMin = Define(
        "sampling/importance_sampling_ratio/min", step => Corrected(step, step.Train.ImportanceWeightMin));

    public static readonly Metric ImportanceWeightMax = Define(
        "sampling/importance_sampling_ratio/max", step => Corrected(step, step.Train.ImportanceWeightMax));

    public static readonly Metric ImportanceOutside = Define(
        "sampling/importance_sampling_ratio/outside", step => Corrected(step, step.Train.ImportanceOutside));

    public static readonly Metric LogprobDifferenceMean = Define(
        "sampling/sampling_logp_difference/mean", step => Measured(step, step.Train.LogprobDifferenceMean));

    public static readonly Metric LogprobDifferenceMax = Define(
        "sampling/sampling_logp_difference/max", step => Measured(step, step.Train.LogprobDifferenceMax));

    /// <summary>Of the step alone; <see cref="Of"/> adds the tokens of the steps before.</summary>
    public static readonly Metric Tokens = Define(
        "num_tokens",
        step => step.Groups.Sum(group =>
            group.Group.Completions.Sum(done => (double)group.Prompt.Length + done.Tokens.Length)));

    public static readonly Metric PolicyVersion = Define("policy_version", step => step.Train.Version.Value);

    public static readonly Metric FailedGroups = Define("groups/failed", step => step.FailedGroups);

    public static readonly Metric DrawnGroups = Define(
        "groups/drawn", step => step.Groups.Count + step.Dropped.Count + step.FailedGroups);

    public static readonly Metric DroppedGroups = Define("groups/dropped", step => step.Dropped.Count);

    /// <summary>Beside <see cref="Reward"/>, which dynamic sampling pulls towards the middle.</summary>
    public static readonly Metric DrawnReward = Define(
        "groups/drawn_reward", step => Given(DrawnRewards(step).SelectMany(rewards => rewards)).Mean());

    public static readonly Metric StepSeconds = Define("step_time", step => step.TotalSeconds);

    public static readonly Metric RolloutSeconds = Define("time/rollout", step => step.RolloutSeconds);

    public static readonly Metric TrainSeconds = Define("time/train", step => step.Train.Seconds);

    public static readonly Metric OtherSeconds = Define(
        "time/other", step => Math.Max(0, step.TotalSeconds - step.RolloutSeconds - step.Train.Seconds));

    public static readonly Metric RolloutRate = Define(
        "throughput/rollout", step => (Lengths(step).Sum() + step.Dropped.Sum(group => group.Tokens)) / Math.Max(step.RolloutSeconds, 1e-9));

    public static readonly Metric TrainRate = Define(
        "throughput/train", step => step.Train.ProcessedTokens / Math.Max(step.Train.Seconds, 1e-9));

    public static readonly Metric ProcessedTokens = Define("tokens/processed", step => step.Train.ProcessedTokens);

    public static readonly Metric ComputedTokens = Define("tokens/computed", step => step.Train.ComputedTokens);

    public static readonly Metric BlocksPeak = Define("kv/blocks_peak", step => step.Decode.BlocksInUsePeak);

    public static readonly Metric BlocksTotal = Define("kv/blocks_total", step => step.Decode.BlocksTotal);

    public static readonly Metric SharingRatio = Define("kv/sharing_ratio", step => step.Decode.SharingRatio);

    public static readonly Metric Preemptions = Define("kv/preemptions", step => step.Decode.Preemptions);

    public static readonly Metric FailedPasses = Define("decode/failed_passes", step => step.Decode.StepFailures);

    static Metrics()
    {
        DefineMemory("rollout", memory => memory.Rollout);
        DefineMemory("logprobs", memory => memory.Logprobs);
        DefineMemory("backward", memory => memory.Backward);
        DefineMemory("optimizer", memory => memory.Optimizer);
    }

    /// <summary>All metrics, in the order of a line of metrics.jsonl.</summary>
    public static IReadOnlyList<Metric> All => Defined;

    /// <summary>The distributions of a step, for sinks that show histograms.</summary>
    public static IReadOnlyDictionary<string, Func<TrainingStepFinished, double[]>> Distributions { get; } =
        new Dictionary<string, Func<TrainingStepFinished, double[]>>
        {
            ["distribution/reward"] = Rewards,
            ["distribution/completion_length"] = step => Lengths(step),
            ["distribution/importance_sampling_ratio"] = step => step.Train.SamplerRatios,
        };

    /// <summary>Computes what a step has measured.</summary>
    /// <param name="step">The finished step.</param>
    /// <param name="tokensBefore">The tokens of the run's earlier steps.</param>
    public static StepMetrics Of(TrainingStepFinished step, double tokensBefore)
    {
        var values = new OrderedDictionary<string, double>();
        foreach (var metric in Defined)
        {
            if (metric.Of(step) is { } value)
                values.Add(metric.Name, value);
        }
        values[Tokens.Name] += tokensBefore;
        AddRewardFunctions(step, values);
        if (step.Evaluation is not null)
        {
            foreach (var (name, value) in EvalMetrics.Of(step.Evaluation))
                values[name] = value;
        }
        return new StepMetrics(step.Step, values);
    }

    /// <summary>Mean and spread of each reward function's values, over the samples that it judges, as TRL's.</summary>
    private static void AddRewardFunctions(TrainingStepFinished step, OrderedDictionary<string, double> metrics)
    {
        foreach (var function in step.Groups.SelectMany(group => group.ByFunction).GroupBy(values => values.Name))
        {
            var values = Given(function.SelectMany(part => part.Values));
            if (values.Length > 0)
                metrics[$"rewards/{function.Key}/mean"] = values.Average();
            if (values.Length > 1)
                metrics[$"rewards/{function.Key}/std"] = values.StandardDeviation()!.Value;
        }
    }

    private static Metric Define(string name, Func<TrainingStepFinished, double?> of)
    {
        var metric = new Metric(name, of);
        Defined.Add(metric);
        return metric;
    }

    private static void DefineMemory(string boundary, Func<TrainingMemory, DeviceMemoryUse> at)
    {
        Define("in_use", use => use.InUse);
        Define("reserved", use => use.Reserved);
        Define("free", use => use.Free);
        Define("peak", use => use.Peak);

        void Define(string name, Func<DeviceMemoryUse, long> bytes) => Metrics.Define(
            $"memory/{boundary}/{name}", step => step.Train.Memory is { } memory ? bytes(at(memory)) : null);
    }

    /// <summary>A statistic over the tokens that were trained on; null where there were none.</summary>
    private static double? Trained(TrainingStepFinished step, double value) => step.Train.TrainedTokens > 0 ? value : null;

    /// <summary>A statistic over all sampled tokens; null where there were none.</summary>
    private static double? Measured(TrainingStepFinished step, double value) =>
        step.Train.ProcessedTokens + step.Train.MeasuredTokens > 0 ? value : null;

    /// <summary>A statistic of the importance correction; null without one.</summary>
    private static double? Corrected(TrainingStepFinished step, double value) =>
        step.Train.ImportanceWeightMax > 0 ? value : null;

    private static double[] Rewards(TrainingStepFinished step) => Given(step.Groups.SelectMany(group => group.Rewards));

    /// <summary>The rewards of each scored group, also of those that were dropped.</summary>
    private static IEnumerable<double[]> DrawnRewards(TrainingStepFinished step) =>
        [.. step.Groups.Select(group => group.Rewards), .. step.Dropped.Select(group => group.Rewards)];

    /// <summary>The rewards of the samples that have one.</summary>
    private static double[] Given(IEnumerable<double> rewards) => [.. rewards.Where(reward => !double.IsNaN(reward))];

    private static IEnumerable<Completion> Completions(TrainingStepFinished step) =>
        step.Groups.SelectMany(group => group.Group.Completions);

    private static double[] Lengths(TrainingStepFinished step, FinishReason? reason = null) =>
    [
        .. from done in Completions(step) where reason is null || done.Reason == reason select (double)done.Tokens.Length,
    ];
}
