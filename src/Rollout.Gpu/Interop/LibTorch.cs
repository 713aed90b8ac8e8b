using System.Runtime.InteropServices;
using TorchSharp;

namespace Rollout.Gpu.Interop;

/// <summary>
/// Loads libtorch before anything else uses it, so that one sentence says what is missing. The build's TorchBackend
/// decides where libtorch comes from: a package beside the program, or, with `system`, the folder in LIBTORCH or an
/// installed PyTorch.
/// </summary>
public static class LibTorch
{
    private const string TorchSharpLibrary = "libLibTorchSharp.so";

    private static readonly Lock Loading = new();
    private static string? _folder;

    /// <summary>
    /// The folder that libtorch was loaded from. Empty where the system's loader chose it; null before.
    /// </summary>
    public static string? Folder
    {
        get
        {
            lock (Loading)
                return _folder;
        }
    }

    /// <summary>Loads libtorch once. Further calls only check for what they require.</summary>
    /// <param name="cuda">
    /// Also require an NVIDIA driver, a visible GPU, a CUDA build of libtorch, and NVIDIA's libraries.
    /// </param>
    /// <exception cref="LibTorchException">Something is missing. The message says what, and what to do.</exception>
    public static void Load(bool cuda = false)
    {
        lock (Loading)
        {
            _folder ??= LoadLibraries();
            if (cuda)
                RequireCuda(_folder);
        }
    }

    private static string LoadLibraries()
    {
        RequireSupportedMachine(RuntimeInformation.RuntimeIdentifier, RuntimeInformation.ProcessArchitecture);
        var folder = OperatingSystem.IsLinux() ? LoadOnLinux() : "";
        try
        {
            torch.InitializeDeviceType(DeviceType.CPU);
        }
        catch (Exception cause) when (cause is NotSupportedException or InvalidOperationException
            or DllNotFoundException or EntryPointNotFoundException or TypeInitializationException)
        {
            throw new LibTorchException(
                "TorchSharp cannot use the libtorch that was found: it needs version "
                + $"{LibTorchFolders.OldestVersion} or newer, complete with TorchSharp's own native library.",
                cause);
        }

        return folder;
    }

    /// <summary>
    /// Loads libtorch's libraries first and TorchSharp's last, all with global symbols, so that TorchSharp's finds
    /// the others wherever they are.
    /// </summary>
    private static string LoadOnLinux()
    {
        // GNU OpenMP's threads spin after each parallel region by default, which takes cores from all other threads:
        // decode steps took 3 to 18 times as long.
        LibTorchLoader.SetDefaultVariable("OMP_WAIT_POLICY", "PASSIVE");
        UseDriversMemoryPool();
        var own = OwnFolders().FirstOrDefault(folder => File.Exists(Path.Combine(folder, TorchSharpLibrary)))
            ?? throw new LibTorchException(
                $"{TorchSharpLibrary} is neither in '{AppContext.BaseDirectory}' nor in its runtimes folder: "
                + "build or publish the program again.");
        var folder = File.Exists(Path.Combine(own, LibTorchFolders.CpuLibrary)) ? own : LibTorchFolders.FindOnSystem();
        var loader = new LibTorchLoader(LibTorchFolders.WithDependencies(folder));
        string[] order = ["libc10.so", LibTorchFolders.CpuLibrary, "libc10_cuda.so", LibTorchFolders.CudaLibrary];
        foreach (var library in order.Select(name => Path.Combine(folder, name)).Where(File.Exists))
            loader.Load(library);
        loader.Load(Path.Combine(folder, "libtorch.so"));
        loader.Load(Path.Combine(own, TorchSharpLibrary));
        return folder;
    }

    /// <summary>
    /// Makes libtorch allocate GPU memory from the driver's pool, which reports its use and gives unused memory back.
    /// The user's own setting wins.
    /// </summary>
    private static void UseDriversMemoryPool()
    {
        string[] names = ["PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"];
        if (names.Any(name => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name))))
            return;
        foreach (var name in names) // the newer name, and the only one that older versions know
            LibTorchLoader.SetDefaultVariable(name, "backend:cudaMallocAsync");
    }

    /// <summary>The folders in which the runtime looks for native libraries.</summary>
    private static IEnumerable<string> OwnFolders()
    {
        var named = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        return named.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(AppContext.BaseDirectory)
            .Append(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"));
    }

    /// <summary>Refuses systems for which TorchSharp 0.107 has no native library.</summary>
    internal static void RequireSupportedMachine(string runtime, Architecture architecture)
    {
        if (runtime.StartsWith("linux-musl", StringComparison.Ordinal))
        {
            throw new LibTorchException(
                "This system's C library is musl, and libtorch needs glibc 2.34 or newer: "
                + "use Debian 12, Ubuntu 22.04, RHEL 9 or later.");
        }

        var system = runtime.Split('-')[0];
        var supported = (system, architecture) is ("linux" or "win", Architecture.X64)
            or ("win" or "osx", Architecture.Arm64);
        if (!supported)
        {
            throw new LibTorchException(
                $"TorchSharp has no native library for {runtime}: use Linux or Windows on x64, or macOS on arm64.");
        }
    }

    private static void RequireCuda(string folder)
    {
        if (OperatingSystem.IsLinux())
        {
            if (!File.Exists(Path.Combine(folder, LibTorchFolders.CudaLibrary)))
            {
                throw new LibTorchException(
                    $"Device cuda needs a CUDA build of libtorch and '{folder}' holds one for the CPU: build with "
                    + "-p:TorchBackend=cuda, or with -p:TorchBackend=system and LIBTORCH naming a CUDA build.");
            }

            if (!LibTorchLoader.CanLoad("libcuda.so.1"))
            {
                throw new LibTorchException(
                    "Device cuda needs NVIDIA's driver and libcuda.so.1 cannot be loaded: install the driver, or "
                    + "start the container with access to the GPUs.");
            }
        }

        if (!torch.cuda.is_available())
        {
            throw new LibTorchException(
                "Device cuda was asked for and libtorch sees no usable GPU: check nvidia-smi, CUDA_VISIBLE_DEVICES "
                + "and that the driver is new enough for libtorch's CUDA version.");
        }

        if (OperatingSystem.IsLinux())
        {
            _ = NvrtcLibrary.Load(folder);
            CublasLt.RequireLibrary();
        }
    }
}
