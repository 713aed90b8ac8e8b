namespace Rollout.Host.Output;

/// <summary>Writes rollouts.jsonl: a line a sample with its reward.</summary>
public sealed class RolloutsWriter : IDisposable
{
    private readonly JsonLog _lines;

    private RolloutsWriter(JsonLog lines) => _lines = lines;

    /// <summary>Numbers of the lines that a resumed run left out because they could not be read.</summary>
    public IReadOnlyList<int> Unreadable => _lines.Unreadable;

    public static RolloutsWriter Create(RunFolder run) => new(JsonLog.Create(run.Rollouts));

    /// <summary>
    /// Keeps the samples up to training step <paramref name="lastStep"/>: the steps after it are done again.
    /// </summary>
    public static RolloutsWriter Resume(RunFolder run, int lastStep) =>
        new(JsonLog.Continue<RolloutLine>(run.Rollouts, line => line.Step <= lastStep));

    public void Write(RolloutLine line) => _lines.Write(line);

    public void Dispose() => _lines.Dispose();
}
