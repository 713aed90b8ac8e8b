using System.Text;
using System.Text.Json;
using Rollout.Gpu.Weights;
using Rollout.Host.Output;

namespace Rollout.Host.Generate;

/// <summary>
/// generate's output while it grows. It grows as a part file beside the output and takes the output's name when it is
/// complete. A run that was killed leaves its part file to the next run with the same arguments. Devices (/dev/stdout,
/// /dev/null) are written to directly.
/// </summary>
internal sealed class CompletionFile : IDisposable
{
    private readonly string _path;
    private readonly string _run;
    private readonly JsonLog _lines;
    private bool _isWorthKeeping;

    private CompletionFile(string path, string run, string? part, JsonLog lines, int kept)
    {
        _path = path;
        _run = run;
        Part = part;
        _lines = lines;
        Kept = kept;
        _isWorthKeeping = kept > 0;
    }

    /// <summary>The prompts whose samples an earlier run has written completely.</summary>
    public int Kept { get; }

    /// <summary>The file that grows; null for a device.</summary>
    public string? Part { get; }

    /// <summary>Whether a run of this name has completed the output, and nobody has changed its length since.</summary>
    /// <param name="path">The result of <see cref="OutputPath.OfFile"/>.</param>
    /// <param name="run">The name of everything that the lines depend on.</param>
    public static bool IsComplete(string path, string run) =>
        !OutputPath.IsDevice(path) && File.Exists(path) && File.Exists(Marker(path))
        && File.ReadAllText(Marker(path)) == MarkerText(run, new FileInfo(path).Length);

    /// <summary>Starts the part file, or goes on with that of an earlier run.</summary>
    /// <param name="path">The result of <see cref="OutputPath.OfFile"/>.</param>
    /// <param name="run">The name of everything that the lines depend on.</param>
    /// <param name="prompts">The prompts in the order of the output.</param>
    /// <param name="resume">Go on with the part file of an earlier run. Without it, such a file is refused.</param>
    /// <exception cref="OutputException">The file can't be written, or has the work of an earlier run.</exception>
    public static CompletionFile Open(string path, string run, IReadOnlyList<PromptLine> prompts, bool resume)
    {
        try
        {
            if (OutputPath.IsDevice(path))
                return new CompletionFile(path, run, part: null, JsonLog.ToDevice(path), kept: 0);
            var part = $"{path}.{run}.part";
            var kept = CountWholePrompts(part, prompts);
            if (kept > 0 && !resume)
            {
                throw new OutputException(
                    $"'{part}' has {kept} of {prompts.Count} prompts, by a run with the same arguments: add --resume to"
                    + " continue, or delete it.");
            }
            var lines = prompts.Take(kept).Sum(prompt => prompt.Group.Samples.Length);
            return new CompletionFile(
                path, run, part, JsonLog.Continue<CompletionLine>(part, _ => lines-- > 0, FileShare.None), kept);
        }
        catch (Exception cause) when (cause is (IOException and not OutputException) or UnauthorizedAccessException)
        {
            throw new OutputException($"'{path}' cannot be written: {cause.Message}", cause);
        }
    }

    public void Write(CompletionLine line)
    {
        _lines.Write(line);
        _isWorthKeeping = true;
    }

    /// <summary>Gives the part file its final name, durably: a power failure leaves one whole file or the other.</summary>
    /// <param name="marksRun">Record that this run is complete. A run with failed prompts is worth another try.</param>
    public void Complete(bool marksRun)
    {
        _lines.Dispose();
        if (Part is null)
            return;
        // The marker comes first: if the process is killed in between, the next run finds the whole part file.
        if (marksRun)
        {
            var text = MarkerText(_run, new FileInfo(Part).Length);
            DurableFiles.Write(Marker(_path), file => file.Write(Encoding.UTF8.GetBytes(text)));
        }
        else
        {
            File.Delete(Marker(_path));
        }
        DurableFiles.Replace(Part, _path);
    }

    /// <summary>Leaves what is written for a run that goes on with it, and no empty file.</summary>
    public void Dispose()
    {
        _lines.Dispose();
        if (Part is not null && !_isWorthKeeping)
            File.Delete(Part);
    }

    private static string Marker(string path) =>
        Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.complete");

    private static string MarkerText(string run, long length) => $"{run} {length}\n";

    /// <summary>How many prompts, from the first on, have all their samples. A prompt that failed is tried again.</summary>
    private static int CountWholePrompts(string part, IReadOnlyList<PromptLine> prompts)
    {
        var (prompt, sample) = (0, 0);
        foreach (var line in JsonLog.Read<CompletionLine>(part))
        {
            if (prompt == prompts.Count
                || line.FinishReason == CompletionLine.Error
                || line.Sample != sample
                || !JsonElement.DeepEquals(line.Id, prompts[prompt].Id))
            {
                break;
            }
            if (++sample == prompts[prompt].Group.Samples.Length)
                (prompt, sample) = (prompt + 1, 0);
        }
        return prompt;
    }
}
