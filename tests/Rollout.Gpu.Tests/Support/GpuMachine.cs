using Rollout.Gpu.Interop;
using Xunit;

namespace Rollout.Gpu.Tests.Support;

/// <summary>Tests that need an NVIDIA GPU and a CUDA build of libtorch skip without them.</summary>
internal static class GpuMachine
{
    private static readonly Lazy<string?> Missing = new(() =>
    {
        try
        {
            LibTorch.Load(cuda: true);
            return null;
        }
        catch (LibTorchException cause)
        {
            return cause.Message;
        }
    });

    /// <summary>Skips the calling test where there is no usable GPU, with what is missing as the reason.</summary>
    public static void Require() => Assert.SkipWhen(Missing.Value is not null, Missing.Value ?? "");
}
