namespace Rollout.Host.Output;

/// <summary>metrics.jsonl: a line a training step, each in the file as soon as its step is done.</summary>
public sealed class MetricsWriter : IDisposable
{
    private readonly JsonLines _lines;

    private MetricsWriter(JsonLines lines) => _lines = lines;

    public static MetricsWriter Create(RunFolder run) => new(JsonLines.Create(run.Metrics));

    /// <summary>Goes on after training step <paramref name="lastStep"/>; what came after it is dropped.</summary>
    public static MetricsWriter Resume(RunFolder run, int lastStep) =>
        new(JsonLines.Continue<StepReport>(run.Metrics, line => line.Step <= lastStep));

    /// <summary>The steps that a run's file holds, in order; a line cut short by a crash is left out.</summary>
    public static IReadOnlyList<StepReport> Read(RunFolder run) => [.. JsonLines.Read<StepReport>(run.Metrics)];

    public void Write(StepReport report) => _lines.Write(report);

    public void Dispose() => _lines.Dispose();
}
