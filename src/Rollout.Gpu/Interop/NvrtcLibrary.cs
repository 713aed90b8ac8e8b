using System.Runtime.InteropServices;

namespace Rollout.Gpu.Interop;

/// <summary>
/// Finds NVIDIA's run-time compiler: the file in ROLLOUT_NVRTC, or else in the loader's path, beside libtorch in the
/// packages of NVIDIA's libraries that PyTorch installs, or in the CUDA toolkit's usual folder.
/// </summary>
internal static class NvrtcLibrary
{
    /// <summary>The environment variable that names the library's file. It wins over all other places.</summary>
    public const string Variable = "ROLLOUT_NVRTC";

    private const string ToolkitFolder = "/usr/local/cuda/lib64";

    private static readonly string[] Names = ["libnvrtc.so.13", "libnvrtc.so.12"];

    /// <summary>Loads NVRTC.</summary>
    /// <param name="torchFolder">The folder of libtorch; null or empty where there is none.</param>
    /// <exception cref="LibTorchException">NVRTC is not found.</exception>
    public static nint Load(string? torchFolder) =>
        Find(Environment.GetEnvironmentVariable(Variable), Names, Folders(torchFolder));

    /// <summary>
    /// Loads the named file, or else one of the names in the loader's path, or a library in a folder.
    /// </summary>
    /// <exception cref="LibTorchException">NVRTC is not found.</exception>
    internal static nint Find(string? named, IReadOnlyList<string> names, IEnumerable<string> folders)
    {
        if (!string.IsNullOrEmpty(named))
        {
            return TryLoad(named, out var chosen)
                ? chosen
                : throw new LibTorchException($"{Variable} is '{named}', which cannot be loaded as a library.");
        }

        foreach (var name in names)
        {
            if (NativeLibrary.TryLoad(name, out var found))
                return found;
        }

        foreach (var file in folders.SelectMany(Candidates))
        {
            if (TryLoad(file, out var found))
                return found;
        }

        throw new LibTorchException(
            $"Device cuda compiles its kernels with NVIDIA's NVRTC, and no {string.Join(" or ", names)} was found: "
            + $"install it (pip's nvidia-cuda-nvrtc, or the CUDA toolkit), or set {Variable} to its file.");
    }

    /// <summary>The libraries of a folder that may be NVRTC, newest name first.</summary>
    internal static IEnumerable<string> Candidates(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder, "libnvrtc*.so*")
            .Where(file => !Path.GetFileName(file).Contains("builtins", StringComparison.Ordinal)
                && !Path.GetFileName(file).Contains(".alt.", StringComparison.Ordinal))
            .OrderDescending(StringComparer.Ordinal)
        : [];

    private static IEnumerable<string> Folders(string? torchFolder) =>
        [.. string.IsNullOrEmpty(torchFolder) ? [] : LibTorchFolders.WithDependencies(torchFolder), ToolkitFolder];

    // NVRTC opens libnvrtc-builtins by name alone, which works only if it is loaded already.
    private static bool TryLoad(string file, out nint library)
    {
        if (Path.GetDirectoryName(file) is { Length: > 0 } folder && Directory.Exists(folder))
        {
            foreach (var half in Directory.EnumerateFiles(folder, "libnvrtc-builtins*.so*"))
                _ = LibTorchLoader.CanLoad(half);
        }

        return NativeLibrary.TryLoad(file, out library);
    }
}
