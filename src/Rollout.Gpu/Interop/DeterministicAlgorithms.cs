using System.Runtime.InteropServices;

namespace Rollout.Gpu.Interop;

/// <summary>
/// libtorch's switch that replaces or refuses operations whose results differ from run to run
/// (torch.use_deterministic_algorithms in Python), which TorchSharp declares and does not implement. It holds for the
/// whole process. The functions are C++ ones of libtorch_cpu, called by their mangled names.
/// </summary>
internal static unsafe class DeterministicAlgorithms
{
    private const string GlobalContext = "_ZN2at13globalContextEv";
    private const string SetAlgorithms = "_ZN2at7Context26setDeterministicAlgorithmsEbb";
    private const string GetAlgorithms = "_ZNK2at7Context23deterministicAlgorithmsEv";
    private const string SetFill = "_ZN2at7Context39setDeterministicFillUninitializedMemoryEb";

    /// <summary>True while the switch is on.</summary>
    public static bool AreEnabled => ((delegate* unmanaged<nint, byte>)Function(GetAlgorithms))(Context()) != 0;

    /// <summary>Turns the switch: while it is on, an operation without a deterministic variant throws.</summary>
    /// <exception cref="LibTorchException">This libtorch has no such switch.</exception>
    public static void Set(bool enabled)
    {
        // cuBLAS adds up in a varying order where streams share its workspace; libtorch asks for this setting.
        if (OperatingSystem.IsLinux())
            LibTorchLoader.SetDefaultVariable("CUBLAS_WORKSPACE_CONFIG", ":4096:8");
        var context = Context();
        ((delegate* unmanaged<nint, byte, byte, void>)Function(SetAlgorithms))(context, enabled ? (byte)1 : (byte)0, 0);
        // Filling new tensors with NaN shows reads of memory that nothing wrote; there are none, and it costs time.
        ((delegate* unmanaged<nint, byte, void>)Function(SetFill))(context, 0);
    }

    private static nint Context() => ((delegate* unmanaged<nint>)Function(GlobalContext))();

    private static nint Function(string name)
    {
        LibTorch.Load();
        var library = NativeLibrary.Load(Path.Combine(LibTorch.Folder ?? "", LibTorchFolders.CpuLibrary));
        return NativeLibrary.TryGetExport(library, name, out var function)
            ? function
            : throw new LibTorchException(
                "train.deterministic needs libtorch's switch for deterministic algorithms, and this libtorch exports none.");
    }
}
