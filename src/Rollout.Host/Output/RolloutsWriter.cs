namespace Rollout.Host.Output;

/// <summary>rollouts.jsonl: a line a sample with its reward.</summary>
public sealed class RolloutsWriter : IDisposable
{
    private readonly JsonLines _lines;

    private RolloutsWriter(JsonLines lines) => _lines = lines;

    public static RolloutsWriter Create(RunFolder run) => new(JsonLines.Create(run.Rollouts));

    /// <summary>Goes on after training step <paramref name="lastStep"/>; what came after it is dropped.</summary>
    public static RolloutsWriter Resume(RunFolder run, int lastStep) =>
        new(JsonLines.Continue<RolloutLine>(run.Rollouts, line => line.Step <= lastStep));

    public void Write(RolloutLine line) => _lines.Write(line);

    public void Dispose() => _lines.Dispose();
}
