using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>What a run leaves in its folder while it goes on: metrics, rollouts, and a plot that follows them.</summary>
public sealed class RunRecord : IDisposable
{
    private static readonly TimeSpan PlotEvery = TimeSpan.FromSeconds(20);

    private readonly RunFolder _run;
    private readonly MetricsWriter _metrics;
    private readonly RolloutsWriter _rollouts;
    private readonly int _rolloutsPerStep;
    private readonly List<StepReport> _steps;
    private long _plotted = TimeProvider.System.GetTimestamp();

    /// <param name="run">Its folder.</param>
    /// <param name="resumedAt">The step that a resumed run goes on after; null for a new run.</param>
    /// <param name="rolloutsPerStep">Samples written per step; 0 writes all.</param>
    public RunRecord(RunFolder run, int? resumedAt, int rolloutsPerStep)
    {
        _run = run;
        _rolloutsPerStep = rolloutsPerStep == 0 ? int.MaxValue : rolloutsPerStep;
        if (resumedAt is { } step)
        {
            _metrics = MetricsWriter.Resume(run, step);
            _rollouts = RolloutsWriter.Resume(run, step);
        }
        else
        {
            _metrics = MetricsWriter.Create(run);
            _rollouts = RolloutsWriter.Create(run);
        }
        Earlier = MetricsWriter.Read(run);
        _steps = [.. Earlier];
    }

    /// <summary>The steps of a resumed run that are done already.</summary>
    public IReadOnlyList<StepReport> Earlier { get; }

    /// <summary>Writes a finished step, and gives it as the view shows it.</summary>
    public StepReport Add(TrainingStepFinished step)
    {
        var report = ToReport(step);
        _steps.Add(report);
        _metrics.Write(report);
        foreach (var line in ToLines(step).Take(_rolloutsPerStep))
            _rollouts.Write(line);
        if (TimeProvider.System.GetElapsedTime(_plotted) > PlotEvery)
            DrawPlot();
        return report;
    }

    public void DrawPlot()
    {
        RewardsPlot.Write(_run, _steps);
        _plotted = TimeProvider.System.GetTimestamp();
    }

    public void Dispose()
    {
        _metrics.Dispose();
        _rollouts.Dispose();
    }

    private static StepReport ToReport(TrainingStepFinished step) => new()
    {
        Step = step.Step,
        Steps = step.Steps,
        PolicyVersion = step.Train.Version.Value,
        RewardMean = step.RewardMean,
        RewardStd = step.RewardStd,
        HeldOutAccuracy = step.HeldOutAccuracy,
        RolloutTokensPerSecond = step.RolloutTokensPerSecond,
        TrainTokensPerSecond = step.TrainTokensPerSecond,
        MeanCompletionLength = step.MeanCompletionLength,
        MaxCompletionLength = step.MaxCompletionLength,
        TruncatedShare = step.TruncatedShare,
        Kl = step.Train.Kl,
        ClipFraction = step.Train.ClipFraction,
        Entropy = step.Train.Entropy,
        LogprobDifferenceMean = step.Train.LogprobDifferenceMean,
        LogprobDifferenceMax = step.Train.LogprobDifferenceMax,
        GradientNorm = step.Train.GradientNorm,
        LearningRate = step.Train.LearningRate,
        Loss = step.Train.Loss,
        EqualRewardGroups = step.Train.EqualRewardGroups,
        FailedGroups = step.FailedGroups,
        BlocksInUsePeak = step.Decode.BlocksInUsePeak,
        BlocksTotal = step.Decode.BlocksTotal,
        SharingRatio = step.Decode.SharingRatio,
        Preemptions = step.Decode.Preemptions,
        StepFailures = step.Decode.StepFailures,
        RolloutSeconds = step.RolloutSeconds,
        TrainSeconds = step.Train.Seconds,
        Memory = step.Train.Memory,
        TotalSeconds = step.TotalSeconds,
    };

    private static IEnumerable<RolloutLine> ToLines(TrainingStepFinished step) =>
        from scored in step.Groups
        from completion in scored.Group.Completions
        select new RolloutLine
        {
            Step = step.Step,
            Group = scored.Group.Id.Value,
            Sample = completion.Sample,
            PolicyVersion = completion.Sampled.Versions[^1].Version.Value,
            Prompt = scored.Item.Prompt,
            Completion = scored.Texts[completion.Sample],
            TokenIds = completion.Tokens,
            FinishReason = completion.Reason == FinishReason.Stop ? "stop" : "length",
            Reward = scored.Rewards[completion.Sample],
        };
}
