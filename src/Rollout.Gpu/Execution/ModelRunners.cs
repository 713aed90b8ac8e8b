using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>Builds the model runners of a host. Call it on the thread that uses the runner.</summary>
public static class ModelRunners
{
    /// <summary>A runner with a paged KV pool on a GPU, whose weights stay where they are in memory.</summary>
    /// <exception cref="DeviceException">Memory is short, a library is missing, or the device fails.</exception>
    /// <exception cref="UnsupportedModelException">The kernels don't support the model.</exception>
    /// <exception cref="UnsupportedDeviceException">The device lacks what the kernels need.</exception>
    public static IModelRunner CreateForGpu(PolicyWeights weights, CudaRunnerOptions options) =>
        new CudaModelRunner(weights, options);

    /// <summary>A runner with a paged KV pool in host memory.</summary>
    /// <param name="weights">The policy, float32 on the CPU; stays the caller's.</param>
    /// <param name="pool">Blocks of the pool and their size.</param>
    /// <param name="threads">Threads of attention and sampling at most, the caller's included.</param>
    /// <param name="batchInvariant">Makes log-probabilities independent of the batch, to the last bit.</param>
    /// <exception cref="DeviceFaultException">The pool's memory is not there.</exception>
    public static IModelRunner CreatePaged(
        PolicyWeights weights, KvCacheGeometry pool, int threads, bool batchInvariant)
    {
        var model = weights.Model;
        return new ModelRunner(
            weights,
            new PagedKvCache(KvCacheShape.Of(model.Config), pool, model.Dtype, model.Device, threads),
            threads,
            Padding(batchInvariant));
    }

    /// <summary>
    /// A runner with the contiguous baseline cache, on the model's device: a block is a row of the longest length.
    /// </summary>
    /// <inheritdoc cref="CreatePaged"/>
    public static IModelRunner CreateContiguous(
        PolicyWeights weights, KvCacheGeometry pool, int threads, bool batchInvariant)
    {
        var model = weights.Model;
        return new ModelRunner(
            weights,
            new ContiguousKvCache(KvCacheShape.Of(model.Config), pool, model.Dtype, model.Device),
            threads,
            Padding(batchInvariant));
    }

    /// <summary>Refuses a model that no runner can be made for on a GPU; allocates nothing there.</summary>
    /// <exception cref="UnsupportedModelException">The kernels don't support the model.</exception>
    /// <exception cref="UnsupportedDeviceException">The device lacks what the kernels need.</exception>
    /// <exception cref="DeviceException">There is no driver or no such device.</exception>
    public static void RequireGpu(ModelConfig model, int ordinal, int blockSize, ScalarType dtype) =>
        CudaModelRunner.RequireSupported(model, ordinal, blockSize, dtype);

    /// <summary>Tells how a GPU's memory is used.</summary>
    /// <exception cref="DeviceException">There is no driver or no such device.</exception>
    public static IDeviceMemory OpenGpuMemory(int ordinal) => new CudaMemory(ordinal);

    private static RowPadding Padding(bool batchInvariant) => batchInvariant ? RowPadding.Measure() : RowPadding.None;
}
