using Rollout.Host.Output;

namespace Rollout.Host.Generate;

/// <summary>
/// generate's output while it grows: under a temporary name beside the final one, which it takes only when it is
/// complete, in place of a file that may be there. Devices (/dev/stdout, /dev/null) are written to directly.
/// </summary>
public sealed class CompletionFile : IDisposable
{
    private readonly string _path;
    private readonly string? _temporary;
    private readonly JsonLines _lines;

    private CompletionFile(string path, string? temporary, JsonLines lines)
    {
        _path = path;
        _temporary = temporary;
        _lines = lines;
    }

    /// <summary>Starts the temporary file.</summary>
    /// <exception cref="OutputException">It cannot be written there.</exception>
    public static CompletionFile Create(string path)
    {
        var full = Path.GetFullPath(path);
        if (Directory.Exists(full))
            throw new OutputException($"'{path}' is a folder: --out needs the name of a file.");
        if (!Directory.Exists(Path.GetDirectoryName(full)))
            throw new OutputException($"'{Path.GetDirectoryName(full)}' is not a folder: --out names a file in one.");
        if (full.StartsWith("/dev/", StringComparison.Ordinal))
            return new CompletionFile(full, temporary: null, Open(() => JsonLines.ToDevice(full)));

        // A link stays one: the file that it names is replaced.
        if (File.Exists(full))
            full = File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
        var temporary = $"{full}.{Guid.NewGuid():N}.tmp";
        return new CompletionFile(full, temporary, Open(() => JsonLines.Create(temporary)));

        JsonLines Open(Func<JsonLines> open)
        {
            try
            {
                return open();
            }
            catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
            {
                throw new OutputException($"'{path}' cannot be written: {cause.Message}", cause);
            }
        }
    }

    public void Write(CompletionLine line) => _lines.Write(line);

    /// <summary>All lines are written: the file takes its name.</summary>
    public void Complete()
    {
        _lines.Dispose();
        if (_temporary is not null)
            File.Move(_temporary, _path, overwrite: true);
    }

    /// <summary>Leaves nothing behind of a file that was not completed.</summary>
    public void Dispose()
    {
        _lines.Dispose();
        if (_temporary is not null)
            File.Delete(_temporary);
    }
}
