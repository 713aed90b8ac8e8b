using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Host.Output;
using Rollout.Host.Tracking;

namespace Rollout.Host.Jobs;

/// <summary>
/// What a run writes into its folder while it trains: metrics, rollouts, and what follows the metrics. A follower that
/// cannot be written is a warning, and the run goes on.
/// </summary>
public sealed class RunRecord : IDisposable
{
    private readonly RunFolder _run;
    private readonly MetricsFile _metrics;
    private readonly RolloutsWriter _rollouts;
    private readonly JsonLog _evaluations;
    private readonly int _rolloutsPerStep;
    private readonly MetricFollowers _followers;
    private StepMetrics? _last;
    private double _tokens;

    /// <param name="run">The run's folder.</param>
    /// <param name="resumedAt">The step that a resumed run goes on after; null for a new run.</param>
    /// <param name="output">What to write.</param>
    public RunRecord(RunFolder run, int? resumedAt, OutputSettings output)
    {
        _run = run;
        _rolloutsPerStep = output.RolloutsPerStep == 0 ? int.MaxValue : output.RolloutsPerStep;
        if (resumedAt is { } step)
        {
            var (hasRollouts, hasEvaluations) = (File.Exists(run.Rollouts), File.Exists(run.Evaluations));
            _metrics = MetricsFile.Resume(run, step);
            _rollouts = RolloutsWriter.Resume(run, step);
            _evaluations = JsonLog.Continue<EvalLine>(run.Evaluations, line => line.Step <= step);
            var recorded = MetricsFile.Read(run);
            Earlier = [.. recorded.Where(line => !line.HasFormerNames)];
            Gaps = [.. GapsBefore(step, recorded, hasRollouts, hasEvaluations)];
        }
        else
        {
            _metrics = MetricsFile.Create(run);
            _rollouts = RolloutsWriter.Create(run);
            _evaluations = JsonLog.Create(run.Evaluations);
        }

        _last = Earlier is [.., var last] ? last : null;
        _tokens = _last?.Find(Metrics.Tokens) ?? 0;
        _followers = new MetricFollowers(
            [new PlotFile(run, Earlier), .. output.TensorBoard ? [new TensorBoardFile(run, resumedAt)] : (IMetricSink[])[]]);
    }

    /// <summary>
    /// The recorded steps of a resumed run, as far as they could be read; step 0 is what was measured before training.
    /// </summary>
    public IReadOnlyList<StepMetrics> Earlier { get; } = [];

    /// <summary>A sentence for each file of a resumed run that lacks some of the earlier steps.</summary>
    public IReadOnlyList<string> Gaps { get; } = [];

    /// <summary>
    /// Why a run that did all its steps is none that succeeded: its last metrics are NaN or infinite. Null where they are
    /// numbers.
    /// </summary>
    public string? WhyDiverged => WhyDivergedAt(_last);

    /// <summary>The same of a run that has ended.</summary>
    public static string? WhyDivergedAt(StepMetrics? last) => last is { AreFinite: false }
        ? $"training step {last.Step}, the last, has NaN or infinite metrics: the policy has diverged, and train.learning-rate"
            + " may be too high"
        : null;

    /// <summary>Writes the evaluation before training, as step 0.</summary>
    /// <param name="evaluation">What it measured.</param>
    /// <param name="warn">Told once of each reason why a follower can't be written.</param>
    public void AddStart(Evaluation evaluation, Action<string> warn)
    {
        Write(0, evaluation);
        Write(StepRecord.BeforeTraining(evaluation), warn);
    }

    /// <summary>Writes a finished step, and gives its metrics as the view shows them.</summary>
    /// <param name="step">What the trainer reports.</param>
    /// <param name="warn">Told once of each reason why a follower can't be written.</param>
    public StepMetrics Add(TrainingStepFinished step, Action<string> warn)
    {
        var record = StepRecord.Of(step, _tokens);
        _last = record.Metrics;
        _tokens = _last[Metrics.Tokens];
        foreach (var line in RolloutLine.Of(step).Take(_rolloutsPerStep))
            _rollouts.Write(line);
        if (step.Evaluation is { } evaluation)
            Write(step.Step, evaluation);
        Write(record, warn);
        return record.Metrics;
    }

    /// <summary>Ends the followers: they write what they still have.</summary>
    /// <param name="warn">Told once of each reason why a follower can't be written.</param>
    public void Complete(Action<string> warn) => _followers.Complete(warn);

    public void Dispose()
    {
        Complete(_ => { });
        _metrics.Dispose();
        _rollouts.Dispose();
        _evaluations.Dispose();
    }

    private void Write(int step, Evaluation evaluation)
    {
        foreach (var line in EvalLine.Of(step, evaluation))
            _evaluations.Write(line);
    }

    private void Write(StepRecord step, Action<string> warn)
    {
        _metrics.Write(step);
        _followers.Write(step, warn);
    }

    private IEnumerable<string> GapsBefore(int step, IReadOnlyList<StepMetrics> recorded, bool hasRollouts, bool hasEvaluations)
    {
        var missing = Enumerable.Range(1, step).Except(recorded.Select(line => line.Step)).ToArray();
        if (missing.Length > 0)
        {
            var lines = _metrics.Unreadable.Count > 0 ? $"; unreadable: {LinesOf(_metrics.Unreadable)}" : "";
            yield return
                $"WARNING '{_run.Metrics}' lacks {missing.Length} of the {step} steps so far, from step {missing[0]}{lines}";
        }

        if (recorded.Count > Earlier.Count)
        {
            yield return $"WARNING '{_run.Metrics}' has steps with the metric names of an earlier version: plots and summary"
                + " leave them out, and num_tokens starts at 0";
        }

        var evaluated = recorded.Any(line => line.Find(Metrics.HeldOutAccuracy) is not null);
        foreach (var gap in (string?[])
            [
                GapOf(_run.Rollouts, hasRollouts, _rollouts.Unreadable, step),
                GapOf(_run.Evaluations, hasEvaluations || !evaluated, _evaluations.Unreadable, step),
            ])
        {
            if (gap is not null)
                yield return gap;
        }
    }

    /// <summary>What a file of samples lacks; null where it has what it should.</summary>
    private static string? GapOf(string file, bool hasIt, IReadOnlyList<int> unreadable, int step) => hasIt switch
    {
        false => $"WARNING '{file}' was missing: it begins at step {step + 1}",
        _ when unreadable.Count > 0 => $"WARNING '{file}' had samples that can't be read and were left out: {LinesOf(unreadable)}",
        _ => null,
    };

    private static string LinesOf(IReadOnlyList<int> numbers)
    {
        const int shown = 5;
        var more = numbers.Count > shown ? $" and {numbers.Count - shown} more" : "";
        return $"{(numbers.Count == 1 ? "line" : "lines")} {string.Join(", ", numbers.Take(shown))}{more}";
    }
}
