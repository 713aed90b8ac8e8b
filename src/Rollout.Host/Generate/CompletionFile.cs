using System.Text.Json;
using Rollout.Gpu.Weights;
using Rollout.Host.Output;

namespace Rollout.Host.Generate;

/// <summary>
/// generate's output while it grows: under a name beside the final one, which it takes only when it is complete, in place
/// of a file that may be there. What a run that was killed has written of it is there for the next one with the same
/// arguments. Devices (/dev/stdout, /dev/null) are written to directly.
/// </summary>
public sealed class CompletionFile : IDisposable
{
    private readonly string _path;
    private readonly JsonLog _lines;
    private bool _isWorthKeeping;

    private CompletionFile(string path, string? part, JsonLog lines, int kept)
    {
        _path = path;
        Part = part;
        _lines = lines;
        Kept = kept;
        _isWorthKeeping = kept > 0;
    }

    /// <summary>Prompts of which an earlier run has written every sample.</summary>
    public int Kept { get; }

    /// <summary>The file that grows; null for a device.</summary>
    public string? Part { get; }

    /// <summary>Where the output will be; checks all that can be checked before it is known what to write.</summary>
    /// <exception cref="OutputException">There can be no file of this name.</exception>
    public static string PathFor(string name)
    {
        var full = Path.GetFullPath(name);
        if (Directory.Exists(full))
            throw new OutputException($"'{name}' is a folder: --out needs the name of a file.");
        if (!Directory.Exists(Path.GetDirectoryName(full)))
            throw new OutputException($"'{Path.GetDirectoryName(full)}' is not a folder: --out names a file in one.");
        // A link stays one: the file that it names is replaced.
        return IsDevice(full) || !File.Exists(full) ? full : File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
    }

    /// <summary>Something that is written to as samples finish, and keeps nothing.</summary>
    public static bool IsDevice(string path) => path.StartsWith("/dev/", StringComparison.Ordinal);

    /// <summary>Starts the growing file, or goes on with that of an earlier run.</summary>
    /// <param name="path">Of <see cref="PathFor"/>.</param>
    /// <param name="run">Names all that the lines depend on.</param>
    /// <param name="prompts">In the order of the output.</param>
    /// <param name="resume">Go on with what is there. Without it, what is there is not overwritten.</param>
    /// <exception cref="OutputException">It cannot be written, or has the work of an earlier run.</exception>
    public static CompletionFile Open(string path, string run, IReadOnlyList<PromptLine> prompts, bool resume)
    {
        try
        {
            if (IsDevice(path))
                return new CompletionFile(path, part: null, JsonLog.ToDevice(path), kept: 0);
            var part = $"{path}.{run}.part";
            var kept = WholePrompts(part, prompts);
            if (kept > 0 && !resume)
            {
                throw new OutputException(
                    $"'{part}' has {kept} of {prompts.Count} prompts, by a run with the same arguments: add --resume to go"
                    + " on with them, or delete it.");
            }
            var lines = prompts.Take(kept).Sum(prompt => prompt.Group.Samples.Length);
            return new CompletionFile(
                path, part, JsonLog.Continue<CompletionLine>(part, _ => lines-- > 0, FileShare.None), kept);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new OutputException($"'{path}' cannot be written: {cause.Message}", cause);
        }
    }

    public void Write(CompletionLine line)
    {
        _lines.Write(line);
        _isWorthKeeping = true;
    }

    /// <summary>All lines are written: the file takes its name.</summary>
    public void Complete()
    {
        _lines.Dispose();
        if (Part is not null)
            DurableFiles.Replace(Part, _path);
    }

    /// <summary>Leaves what is written for a run that goes on with it, and nothing where nothing is.</summary>
    public void Dispose()
    {
        _lines.Dispose();
        if (Part is not null && !_isWorthKeeping)
            File.Delete(Part);
    }

    /// <summary>How many prompts from the first on have all their samples. One that failed is tried again.</summary>
    private static int WholePrompts(string part, IReadOnlyList<PromptLine> prompts)
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
