using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Rollout.Gpu.Interop;

/// <summary>
/// Loads shared libraries with global symbols (Linux), and turns the loader's errors into sentences. It looks for
/// dependencies that the system's loader doesn't find in the given folders, so that nobody needs to set
/// LD_LIBRARY_PATH for the libraries that PyTorch keeps in packages of their own.
/// </summary>
internal sealed partial class LibTorchLoader(IReadOnlyList<string> folders)
{
    private const int LazyGlobal = 0x1 | 0x100; // RTLD_LAZY | RTLD_GLOBAL

    private readonly HashSet<string> _supplied = [];

    public static bool CanLoad(string library) => Open(library, LazyGlobal) != 0;

    /// <summary>
    /// Sets a variable of the native environment, which libraries read when they are loaded, unless it is set
    /// already. .NET's own setter doesn't reach that environment.
    /// </summary>
    public static void SetDefaultVariable(string name, string value) => _ = SetEnvironment(name, value, overwrite: 0);

    /// <exception cref="LibTorchException">The library, or one that it needs, can't be loaded.</exception>
    public void Load(string path)
    {
        _ = Error(); // binds dlerror now, because binding it later would clear the error
        while (Open(path, LazyGlobal) == 0)
        {
            var complaint = Marshal.PtrToStringUTF8(Error()) ?? "the loader gives no reason";
            if (MissingLibrary(complaint) is not { } missing || !_supplied.Add(missing))
                throw new LibTorchException(Sentence(path, complaint));
            var found = folders.Select(folder => Path.Combine(folder, missing)).FirstOrDefault(File.Exists)
                ?? throw new LibTorchException(Sentence(path, complaint));
            Load(found);
        }
    }

    /// <summary>Turns dlerror's text about <paramref name="path"/> into a sentence.</summary>
    internal static string Sentence(string path, string complaint)
    {
        var library = Path.GetFileName(path);
        if (MissingLibrary(complaint) is { } missing)
        {
            return missing == library || missing == path
                ? $"'{path}' is missing or cannot be read: build the program or install libtorch again."
                : $"{library} needs {missing}, which is not installed: install it, or put its folder into "
                    + "LD_LIBRARY_PATH.";
        }

        return MissingVersion(complaint) switch
        {
            null => $"'{path}' cannot be loaded: {complaint.Trim().TrimEnd('.')}.",
            var version when version.StartsWith("GLIBCXX", StringComparison.Ordinal) =>
                $"{library} needs {version}, which this system's libstdc++ lacks: build the program on this machine, "
                + "or publish it with -p:TorchSharpRepair=always.",
            var version when version.StartsWith("GLIBC_", StringComparison.Ordinal) =>
                $"{library} needs {version}, which this system's C library lacks: use Debian 12, Ubuntu 22.04, RHEL 9 "
                + "or later.",
            var version => $"{library} needs symbol version {version}, which a library of this system lacks: "
                + $"{complaint.Trim().TrimEnd('.')}.",
        };
    }

    private static string? MissingLibrary(string complaint) =>
        CannotOpen().Match(complaint) is { Success: true } match ? match.Groups[1].Value : null;

    private static string? MissingVersion(string complaint) =>
        VersionNotFound().Match(complaint) is { Success: true } match ? match.Groups[1].Value : null;

    [GeneratedRegex("^(.+?): cannot open shared object file")]
    private static partial Regex CannotOpen();

    [GeneratedRegex("version [`']([^']+)' not found")]
    private static partial Regex VersionNotFound();

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);

    [LibraryImport("libdl.so.2", EntryPoint = "dlopen", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int flags);

    [LibraryImport("libdl.so.2", EntryPoint = "dlerror")]
    private static partial nint Error();
}
