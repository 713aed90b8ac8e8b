namespace Rollout.Gpu.Interop;

/// <summary>A part that device cuda uses.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Problem">Why it can't be used, and what to do; null where it can.</param>
public sealed record CudaPart(string Name, string? Problem);

/// <summary>Looks for what device cuda uses, part by part; for rollout doctor, where all that is missing is of interest.</summary>
public static class CudaParts
{
    /// <summary>Loads each library that is found. Needs no GPU.</summary>
    public static IReadOnlyList<CudaPart> Look() =>
    [
        new("driver", WhyNoDriver()),
        new("nvrtc", WhyNot(() => NvrtcLibrary.Load(LibTorch.Folder))),
        new("cublaslt", WhyNot(CublasLt.RequireLibrary)),
        new("libtorch for cuda", WhyNot(() => LibTorch.Load(cuda: true))),
    ];

    private static string? WhyNoDriver()
    {
        if (!OperatingSystem.IsLinux() || !LibTorchLoader.CanLoad("libcuda.so.1"))
            return "libcuda.so.1 cannot be loaded: install NVIDIA's driver, or start the container with access to the GPUs.";
        return CudaDriver.cuInit(0) is not 0 and var error
            ? $"The driver answers with error {error}: nvidia-smi says what is wrong with it."
            : null;
    }

    private static string? WhyNot(Action load)
    {
        try
        {
            load();
            return null;
        }
        catch (LibTorchException missing)
        {
            return missing.Message;
        }
    }
}
