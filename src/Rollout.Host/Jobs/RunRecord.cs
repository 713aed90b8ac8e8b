using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>
/// What a run writes into its folder while it trains: metrics, rollouts, and a plot that follows them. A plot that
/// cannot be written is a warning, and the run goes on.
/// </summary>
public sealed class RunRecord : IDisposable
{
    private static readonly TimeSpan PlotEvery = TimeSpan.FromSeconds(20);

    private readonly RunFolder _run;
    private readonly MetricsWriter _metrics;
    private readonly RolloutsWriter _rollouts;
    private readonly int _rolloutsPerStep;
    private readonly List<StepReport> _steps;
    private long _plotted = TimeProvider.System.GetTimestamp();
    private string? _plotWarning;

    /// <param name="run">The run's folder.</param>
    /// <param name="resumedAt">The step that a resumed run goes on after; null for a new run.</param>
    /// <param name="rolloutsPerStep">Samples written per step; 0 writes all.</param>
    public RunRecord(RunFolder run, int? resumedAt, int rolloutsPerStep)
    {
        _run = run;
        _rolloutsPerStep = rolloutsPerStep == 0 ? int.MaxValue : rolloutsPerStep;
        if (resumedAt is { } step)
        {
            var hasRollouts = File.Exists(run.Rollouts);
            _metrics = MetricsWriter.Resume(run, step);
            _rollouts = RolloutsWriter.Resume(run, step);
            Earlier = MetricsWriter.Read(run);
            Gaps = [.. GapsBefore(step, hasRollouts)];
        }
        else
        {
            _metrics = MetricsWriter.Create(run);
            _rollouts = RolloutsWriter.Create(run);
        }

        _steps = [.. Earlier];
    }

    /// <summary>The steps of a resumed run that are done already, as far as they could be read.</summary>
    public IReadOnlyList<StepReport> Earlier { get; } = [];

    /// <summary>A sentence for each file of a resumed run that lacks some of the earlier steps.</summary>
    public IReadOnlyList<string> Gaps { get; } = [];

    /// <summary>Writes a finished step, and gives it as the view shows it.</summary>
    /// <param name="step">What the trainer reports.</param>
    /// <param name="warn">Told once of each reason why the plot can't be written.</param>
    public StepReport Add(TrainingStepFinished step, Action<string> warn)
    {
        var report = ToReport(step);
        _steps.Add(report);
        _metrics.Write(report);
        foreach (var line in ToLines(step).Take(_rolloutsPerStep))
            _rollouts.Write(line);
        if (TimeProvider.System.GetElapsedTime(_plotted) > PlotEvery)
            DrawPlot(warn);
        return report;
    }

    /// <summary>Draws all steps.</summary>
    /// <param name="warn">Told once of each reason why the plot can't be written.</param>
    public void DrawPlot(Action<string> warn)
    {
        _plotted = TimeProvider.System.GetTimestamp();
        try
        {
            RewardsPlot.Write(_run, _steps);
        }
        catch (Exception cause) // an ornament: no fault of it, of its library or of the disk ends a run
        {
            var warning = $"WARNING '{_run.RewardsPlot}' was not written: {cause.Message.Split('\n')[0]}";
            if (warning != _plotWarning)
                warn(warning);
            _plotWarning = warning;
        }
    }

    public void Dispose()
    {
        _metrics.Dispose();
        _rollouts.Dispose();
    }

    private IEnumerable<string> GapsBefore(int step, bool hasRollouts)
    {
        var missing = Enumerable.Range(1, step).Except(Earlier.Select(report => report.Step)).ToArray();
        if (missing.Length > 0)
        {
            var lines = _metrics.Unreadable.Count > 0 ? $"; unreadable: {LinesOf(_metrics.Unreadable)}" : "";
            yield return
                $"WARNING '{_run.Metrics}' lacks {missing.Length} of the {step} steps so far, from step {missing[0]}{lines}";
        }

        if (!hasRollouts)
            yield return $"WARNING '{_run.Rollouts}' was missing: it begins at step {step + 1}";
        else if (_rollouts.Unreadable.Count > 0)
        {
            yield return
                $"WARNING '{_run.Rollouts}' had samples that can't be read and were left out: {LinesOf(_rollouts.Unreadable)}";
        }
    }

    private static string LinesOf(IReadOnlyList<int> numbers)
    {
        const int shown = 5;
        var more = numbers.Count > shown ? $" and {numbers.Count - shown} more" : "";
        return $"{(numbers.Count == 1 ? "line" : "lines")} {string.Join(", ", numbers.Take(shown))}{more}";
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
        ByName = ByName(step.RewardsByFunction),
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
            Rewards = scored.ByFunction.ToDictionary(
                function => function.Name, function => function.Values[completion.Sample]),
        };

    private static Dictionary<string, object?> ByName(IReadOnlyList<RewardFigures> rewards)
    {
        var figures = new Dictionary<string, object?>();
        foreach (var reward in rewards)
        {
            figures[$"rewards/{reward.Name}/mean"] = reward.Mean;
            figures[$"rewards/{reward.Name}/std"] = reward.Std;
        }
        return figures;
    }
}
