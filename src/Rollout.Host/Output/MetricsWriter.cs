namespace Rollout.Host.Output;

/// <summary>Writes metrics.jsonl: a line a training step, in the file as soon as the step is done.</summary>
public sealed class MetricsWriter : IDisposable
{
    private readonly JsonLog _lines;

    private MetricsWriter(JsonLog lines) => _lines = lines;

    /// <summary>Numbers of the lines that a resumed run left out because they could not be read.</summary>
    public IReadOnlyList<int> Unreadable => _lines.Unreadable;

    public static MetricsWriter Create(RunFolder run) => new(JsonLog.Create(run.Metrics));

    /// <summary>
    /// Keeps the lines up to training step <paramref name="lastStep"/>: the steps after it are done again.
    /// </summary>
    public static MetricsWriter Resume(RunFolder run, int lastStep) =>
        new(JsonLog.Continue<StepReport>(run.Metrics, line => line.Step <= lastStep));

    /// <summary>The steps of a run's file that can be read, in order.</summary>
    public static IReadOnlyList<StepReport> Read(RunFolder run) => [.. JsonLog.Read<StepReport>(run.Metrics)];

    public void Write(StepReport report) => _lines.Write(report);

    public void Dispose() => _lines.Dispose();
}
