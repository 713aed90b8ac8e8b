using static TorchSharp.torch;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// How the attention kernels are launched: their thread blocks and shared memory, as attention_tile.cuh lays it out.
/// </summary>
internal static class AttentionLaunch
{
    private const int Warps = 4;
    private const int FloatWarps = 8;
    private const int FewestStages = 2; // one is computed while the next arrives

    /// <summary>
    /// Tiles of keys and values that are in shared memory at once. Fewer fit where a thread block can have little.
    /// </summary>
    /// <param name="shape">What the kernels are compiled for.</param>
    /// <param name="sharedBytes">Shared memory that a thread block can have.</param>
    public static int Stages(KernelShape shape, int sharedBytes)
    {
        var stages = shape.HeadDim > 64 ? 3 : 4;
        while (stages > FewestStages && TensorCoreBytes(shape, stages) > sharedBytes)
            stages--;
        return stages;
    }

    /// <summary>Thread blocks that a multiprocessor must have registers for.</summary>
    public static int MinBlocks(KernelShape shape) => shape.HeadDim <= 128 ? 2 : 1;

    /// <summary>Threads of a thread block.</summary>
    public static int Threads(KernelShape shape) => 32 * (shape.Dtype == ScalarType.BFloat16 ? Warps : FloatWarps);

    /// <summary>
    /// Shared memory of a thread block in bytes, which exceeds what it can have where the shape does not fit.
    /// </summary>
    public static int SharedBytes(KernelShape shape, int sharedBytes) => shape.Dtype == ScalarType.BFloat16
        ? TensorCoreBytes(shape, Stages(shape, sharedBytes))
        : FloatBytes(shape);

    private static int TensorCoreBytes(KernelShape shape, int stages)
    {
        var padded = (shape.HeadDim + 15) / 16 * 16;
        var stage = 2 * AttentionSchedule.TileKeys * padded * 2;
        var merged = (Warps * 8 * (padded + 4) * sizeof(float)) + (2 * Warps * 8 * sizeof(float));
        return (stages * stage) + merged;
    }

    private static int FloatBytes(KernelShape shape)
    {
        const int Keys = AttentionSchedule.TileKeys / 2;
        var numbers = (KernelShape.MaxVectors * shape.HeadDim) + (Keys * (shape.HeadDim + 4)) + (Keys * shape.HeadDim);
        return (numbers * sizeof(float)) + (KernelShape.MaxVectors * (sizeof(int) + sizeof(long)));
    }
}
