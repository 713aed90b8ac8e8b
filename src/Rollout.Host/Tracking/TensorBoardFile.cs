using System.Globalization;
using Rollout.Host.Output;

namespace Rollout.Host.Tracking;

/// <summary>
/// An event file for TensorBoard in the run's folder. The first step that is written makes it. A resumed run adds a file
/// of its own, and TensorBoard drops the steps that are done again; a new run removes the files of one before it.
/// </summary>
/// <param name="run">The run's folder.</param>
/// <param name="resumedAt">The step that a resumed run goes on after; null for a new run.</param>
public sealed class TensorBoardFile(RunFolder run, int? resumedAt) : IMetricSink
{
    private const string Prefix = "events.out.tfevents.";

    private FileStream? _file;
    private long _end;

    public string Target { get; } = run.TensorBoard;

    /// <summary>Appends the step. A step that the disk took in part is overwritten by the next.</summary>
    public void Write(StepRecord step)
    {
        _file ??= Open();
        var now = TimeProvider.System.GetUtcNow();
        byte[] bytes =
        [
            .. _end == 0 ? [.. EventFormat.FileVersion(now), .. EventFormat.SessionStart(now, (resumedAt + 1) ?? 0)] : (byte[])[],
            .. EventFormat.Step(now, step),
        ];
        _file.Position = _end;
        _file.Write(bytes);
        _file.Flush();
        _end += bytes.Length;
    }

    public void Dispose() => _file?.Dispose();

    private FileStream Open()
    {
        Directory.CreateDirectory(Target);
        string[] earlier = Directory.GetFiles(Target, $"{Prefix}*");
        if (resumedAt is null)
            Array.ForEach(earlier, File.Delete);
        // TensorBoard reads files in the order of their names: a clock that was put back must not change it.
        var seconds = earlier.Select(SecondsOf).Append(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() - 1).Max() + 1;
        var name = $"{Prefix}{seconds:0000000000}.{Environment.MachineName}.{Environment.ProcessId}";
        return new FileStream(
            Path.Combine(Target, name), FileMode.Create, FileAccess.Write, FileShare.Read | FileShare.Delete, bufferSize: 0);
    }

    private static long SecondsOf(string file) =>
        long.TryParse(
            Path.GetFileName(file)[Prefix.Length..].Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? seconds
            : 0;
}
