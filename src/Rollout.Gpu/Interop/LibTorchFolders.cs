using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Rollout.Gpu.Interop;

/// <summary>Finds a libtorch that is installed on the system (Linux).</summary>
internal static partial class LibTorchFolders
{
    public const string CpuLibrary = "libtorch_cpu.so";
    public const string CudaLibrary = "libtorch_cuda.so";

    /// <summary>TorchSharp 0.107 is built against 2.10 and also runs on 2.11.</summary>
    public static readonly Version OldestVersion = new(2, 10);

    private static readonly TimeSpan PythonTimeout = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Finds the folder that holds libtorch_cpu.so: the one in LIBTORCH, as for tch-rs, else that of PyTorch.
    /// </summary>
    /// <exception cref="LibTorchException">There is no libtorch, or it is too old.</exception>
    public static string FindOnSystem() =>
        Find(Environment.GetEnvironmentVariable("LIBTORCH"), () => PyTorchPackage("python3") ?? PyTorchPackage("python"));

    internal static string Find(string? named, Func<string?> pyTorch)
    {
        if (!string.IsNullOrEmpty(named))
        {
            return LibraryFolder(named) ?? throw new LibTorchException(
                $"LIBTORCH is '{named}', and neither that folder nor its lib folder holds {CpuLibrary}: set it to an "
                + $"unpacked libtorch {OldestVersion} or newer.");
        }

        var package = pyTorch();
        return package is not null && LibraryFolder(package) is { } folder
            ? folder
            : throw new LibTorchException(
                "No libtorch was found: set LIBTORCH to a folder that holds one, install PyTorch for python3, or build "
                + "with -p:TorchBackend=cpu, which brings its own.");
    }

    /// <summary>
    /// The folder, and those in which PyTorch's wheels keep NVIDIA's libraries: nvidia/*/lib beside torch.
    /// </summary>
    public static IReadOnlyList<string> WithDependencies(string folder)
    {
        var nvidia = Path.GetFullPath(Path.Combine(folder, "..", "..", "nvidia"));
        return Directory.Exists(nvidia)
            ? [folder, .. Directory.EnumerateDirectories(nvidia).Select(part => Path.Combine(part, "lib"))]
            : [folder];
    }

    private static string? LibraryFolder(string root)
    {
        var folder = new[] { Path.Combine(root, "lib"), root }
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, CpuLibrary)));
        if (folder is not null && InstalledVersion(folder) is { } version && version < OldestVersion)
        {
            // An older libtorch loads, and then ends the process at the first function that it lacks.
            throw new LibTorchException(
                $"'{folder}' holds libtorch {version}, and TorchSharp needs {OldestVersion} or newer: update it, or set "
                + "LIBTORCH to a newer one.");
        }

        return folder is null ? null : Path.GetFullPath(folder);
    }

    /// <summary>
    /// Reads the version beside the lib folder, from version.py of a PyTorch package or build-version of a libtorch
    /// archive; null where there is neither.
    /// </summary>
    private static Version? InstalledVersion(string folder)
    {
        var root = Path.GetFullPath(Path.Combine(folder, ".."));
        var file = new[] { "version.py", "build-version" }
            .Select(name => Path.Combine(root, name)).FirstOrDefault(File.Exists);
        return file is not null && MajorMinor().Match(File.ReadAllText(file)) is { Success: true } match
            ? new Version(int.Parse(match.Groups[1].Value), int.Parse(match.Groups[2].Value))
            : null;
    }

    /// <summary>
    /// The folder from which an interpreter would import torch; null where it can't. Does not import torch.
    /// </summary>
    private static string? PyTorchPackage(string interpreter)
    {
        const string Question =
            "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
        try
        {
            using var python = Process.Start(new ProcessStartInfo(interpreter, ["-c", Question])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            });
            if (python is null)
                return null;
            python.ErrorDataReceived += (_, _) => { };
            python.BeginErrorReadLine();
            var answer = python.StandardOutput.ReadToEndAsync();
            if (!python.WaitForExit(PythonTimeout) || !answer.Wait(PythonTimeout))
            {
                python.Kill(entireProcessTree: true);
                return null;
            }

            var package = answer.GetAwaiter().GetResult().Trim();
            return package.Length > 0 ? package : null;
        }
        catch (Win32Exception)
        {
            return null; // no such interpreter
        }
    }

    [GeneratedRegex(@"(?:^|__version__\s*=\s*['""])(\d+)\.(\d+)\.", RegexOptions.Multiline)]
    private static partial Regex MajorMinor();
}
