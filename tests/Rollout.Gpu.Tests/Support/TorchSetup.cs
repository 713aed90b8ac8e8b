using System.Runtime.CompilerServices;
using Rollout.Gpu.Interop;
using TorchSharp;

namespace Rollout.Gpu.Tests.Support;

/// <summary>Before any test: libtorch loaded as the product loads it, and one thread, as the tensors here are small.</summary>
internal static class TorchSetup
{
    [ModuleInitializer]
    internal static void Load()
    {
        LibTorch.Load();
        torch.set_num_threads(1);
    }
}
