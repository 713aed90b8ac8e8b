using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Launches copy_blocks.cu: copy-on-write of whole blocks in all layers. Every source is read before any destination
/// is written.
/// </summary>
internal sealed class CopyBlocks
{
    private const int Threads = 256;
    private const int MaxSharedBytes = 96 << 10;
    private const int VectorBytes = 16;

    // Wider slices bring no more bandwidth.
    private const int WidestSlice = 256;

    private readonly CudaFunction _function;
    private readonly int _sharedBytes;
    private readonly int _blockBytesPerToken;

    public CopyBlocks(CudaModule module, KernelShape shape, CudaDeviceInfo device)
    {
        _function = module.Function("copy_blocks");
        _sharedBytes = Math.Min(MaxSharedBytes, device.SharedBytesPerBlock);
        _function.AllowDynamicShared(_sharedBytes);
        _blockBytesPerToken = shape.KvHeads * shape.HeadDim * shape.ElementBytes;
    }

    /// <summary>The most copies of one launch.</summary>
    public int MaxCopies => _sharedBytes / VectorBytes;

    /// <summary>Launches the kernel. Not recorded in graphs: its grid and shared memory depend on the number of copies.</summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="layout">The layout of the packed buffer.</param>
    /// <param name="inputs">The packed buffer on the device, with the step's copies.</param>
    /// <param name="cache">[layers, 2, blocks, …].</param>
    /// <param name="geometry">Blocks and their size.</param>
    /// <param name="layers">The number of layers.</param>
    /// <param name="copies">Copies in the buffer, at most <see cref="MaxCopies"/>.</param>
    public void Launch(
        CudaStream stream, StepInputs layout, nint inputs, nint cache, KvCacheGeometry geometry, int layers, int copies)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(copies, Math.Min(MaxCopies, layout.Capacity.Copies));
        if (copies == 0)
            return;
        var blockVectors = _blockBytesPerToken * geometry.BlockSize / VectorBytes;
        var slice = Math.Clamp(MaxCopies / copies, 1, Math.Min(WidestSlice, blockVectors));
        var arguments = default(KernelArguments);
        arguments.Add(cache);
        arguments.Add(PrepareStep.At(inputs, layout.Counts));
        arguments.Add(PrepareStep.At(inputs, layout.CopyPairs));
        arguments.Add(geometry.BlockCount);
        arguments.Add(blockVectors);
        arguments.Add(slice);
        _function.Launch(
            ((blockVectors + slice - 1) / slice, 2 * layers), Threads, copies * slice * VectorBytes, stream, arguments);
    }
}
