using Rollout.Host.Output;

namespace Rollout.Host.Tracking;

/// <summary>metrics.jsonl: a line a training step, in the file as soon as the step is done.</summary>
public sealed class MetricsFile : IMetricSink
{
    private readonly JsonLog _lines;

    private MetricsFile(RunFolder run, JsonLog lines)
    {
        Target = run.Metrics;
        _lines = lines;
    }

    public string Target { get; }

    /// <summary>Numbers of the lines that a resumed run left out because they could not be read.</summary>
    public IReadOnlyList<int> Unreadable => _lines.Unreadable;

    public static MetricsFile Create(RunFolder run) => new(run, JsonLog.Create(run.Metrics));

    /// <summary>
    /// Keeps the lines up to training step <paramref name="lastStep"/>: the steps after it are done again.
    /// </summary>
    public static MetricsFile Resume(RunFolder run, int lastStep) =>
        new(run, JsonLog.Continue<StepMetrics>(run.Metrics, line => line.Step <= lastStep));

    /// <summary>The steps of a run's file that can be read, in order; step 0 is what was measured before training.</summary>
    public static IReadOnlyList<StepMetrics> Read(RunFolder run) => [.. JsonLog.Read<StepMetrics>(run.Metrics)];

    public void Write(StepRecord step) => _lines.Write(step.Metrics);

    public void Dispose() => _lines.Dispose();
}
