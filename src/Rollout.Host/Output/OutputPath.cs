namespace Rollout.Host.Output;

/// <summary>Checks where a command is to write, before its work is done: what was computed must not be lost at the end.</summary>
internal static class OutputPath
{
    /// <summary>The full path of a file, after all checks that need no content.</summary>
    /// <param name="name">The path as the user gave it; "-" is standard output.</param>
    /// <param name="option">The option that names it.</param>
    /// <exception cref="OutputException">There can be no file of this name.</exception>
    public static string OfFile(string name, string option)
    {
        if (name == "-")
            return "/dev/stdout";
        var full = Path.GetFullPath(name);
        if (Directory.Exists(full))
            throw new OutputException($"'{name}' is a folder: {option} needs the name of a file.");
        if (!Directory.Exists(Path.GetDirectoryName(full)))
            throw new OutputException($"'{Path.GetDirectoryName(full)}' is not a folder: {option} names a file in one.");
        // A link stays a link: the file that it names is replaced.
        return IsDevice(full) || !File.Exists(full) ? full : File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
    }

    /// <summary>Whether lines are written to the path as they come, and nothing is kept there.</summary>
    public static bool IsDevice(string path) => path.StartsWith("/dev/", StringComparison.Ordinal);

    /// <summary>Tries to write beside a new file or folder; leaves nothing behind.</summary>
    /// <param name="path">Folders that it needs and that are not there yet are made later.</param>
    /// <exception cref="OutputException">Nothing can be made there.</exception>
    public static void RequireRoomFor(string path)
    {
        var parent = Path.GetDirectoryName(Path.GetFullPath(path));
        while (parent is not null && !Path.Exists(parent))
            parent = Path.GetDirectoryName(parent);
        try
        {
            Probe(parent ?? path);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new OutputException($"'{path}' cannot be written: {cause.Message}", cause);
        }
    }

    /// <summary>Writes and removes a file in a folder, which throws what a later file would throw.</summary>
    public static void Probe(string folder)
    {
        var probe = Path.Combine(folder, $".{Guid.NewGuid():N}");
        File.WriteAllText(probe, "");
        File.Delete(probe);
    }
}
