using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>Models of the CPU's tests on the first GPU, and runners for them.</summary>
internal static class CudaPolicy
{
    public static Device Gpu { get; } = device(DeviceType.CUDA, 0);

    /// <summary>The same weights on the GPU, rounded to the type.</summary>
    public static PolicyWeights Copy(CausalLm source, ScalarType dtype)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var model = new CausalLm(source.Config, dtype, Gpu);
        foreach (var (own, other) in model.named_parameters().Zip(source.named_parameters()))
            own.parameter.copy_(other.parameter);
        cuda.synchronize();
        return new PolicyWeights(model, new PolicyVersion(1));
    }

    public static CudaModelRunner Runner(
        PolicyWeights weights, int blocks = 600, int blockSize = 16, bool graphs = true, bool sharesDevice = false) =>
        new(weights, new CudaRunnerOptions
        {
            Ordinal = 0,
            BlockSize = blockSize,
            BlockCount = blocks,
            MemoryUtilization = 0.1,
            MaxNumSeqs = 64,
            MaxNumBatchedTokens = 2048,
            MaxModelLength = weights.Model.Config.MaxPositionEmbeddings,
            UsesGraphs = graphs,
            SharesDevice = sharesDevice,
        });
}
