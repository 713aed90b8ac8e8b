using System.Runtime.InteropServices;

namespace Rollout.Gpu.Interop;

/// <summary>
/// NVIDIA's run-time compiler, found where it is: in the loader's path, beside libtorch in the packages that
/// PyTorch keeps NVIDIA's libraries in, in the CUDA toolkit's usual folder, or where ROLLOUT_NVRTC says.
/// </summary>
internal static class NvrtcLibrary
{
    /// <summary>Names the library's file, before any other place is looked at.</summary>
    public const string Variable = "ROLLOUT_NVRTC";

    private const string ToolkitFolder = "/usr/local/cuda/lib64";

    private static readonly string[] Names = ["libnvrtc.so.13", "libnvrtc.so.12"];

    /// <summary>Loads it.</summary>
    /// <param name="torchFolder">Where libtorch was loaded from; null or empty: no place to look at.</param>
    /// <exception cref="LibTorchException">It is nowhere.</exception>
    public static nint Load(string? torchFolder) =>
        Find(Environment.GetEnvironmentVariable(Variable), Names, Folders(torchFolder));

    /// <summary>Loads the file that is named, or else one of the names in the loader's path, or what a folder has.</summary>
    /// <exception cref="LibTorchException">It is nowhere.</exception>
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

    /// <summary>The libraries of a folder that may be NVRTC, the newest name first.</summary>
    internal static IEnumerable<string> Candidates(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder, "libnvrtc*.so*")
            .Where(file => !Path.GetFileName(file).Contains("builtins", StringComparison.Ordinal)
                && !Path.GetFileName(file).Contains(".alt.", StringComparison.Ordinal))
            .OrderDescending(StringComparer.Ordinal)
        : [];

    private static IEnumerable<string> Folders(string? torchFolder) =>
        [.. string.IsNullOrEmpty(torchFolder) ? [] : LibTorchFolders.WithDependencies(torchFolder), ToolkitFolder];

    // NVRTC opens its second half by name alone, which the loader only finds where it is loaded already.
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
