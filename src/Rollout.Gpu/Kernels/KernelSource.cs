using System.Reflection;
using static TorchSharp.torch;

namespace Rollout.Gpu.Kernels;

/// <summary>The CUDA C++ sources, embedded in the assembly: one operation a file, and shared headers.</summary>
internal static class KernelSource
{
    private static readonly string[] Common =
        ["prepare_step", "gather_rows", "rms_norm", "qk_norm_rope_write_kv", "merge_attention", "silu_mul",
            "copy_blocks", "sample_tokens"];

    /// <summary>The files of a training step, without extension.</summary>
    public static readonly string[] Training =
        ["gather_rows", "rms_norm", "qk_norm_rope_write_kv", "silu_mul", "rms_norm_backward", "qk_norm_rope_backward",
            "silu_mul_backward", "cross_entropy", "training_rows", "merge_shared"];

    /// <summary>The file of the optimizer's step, without extension.</summary>
    public const string Optimizer = "adamw";

    /// <summary>The files to compile for a dtype, without extension.</summary>
    public static string[] FilesFor(ScalarType dtype) =>
        [dtype == ScalarType.BFloat16 ? "paged_attention" : "paged_attention_float", .. Common];

    /// <summary>The text of a file.</summary>
    public static string Read(string file)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(file)
            ?? throw new InvalidOperationException($"The kernel source {file} is not embedded in this assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>The headers by the names that sources include.</summary>
    public static IReadOnlyDictionary<string, string> Headers() =>
        Assembly.GetExecutingAssembly().GetManifestResourceNames()
            .Where(name => name.EndsWith(".cuh", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .ToDictionary(name => name, Read);

    /// <summary>The compiler's options for a shape, except the architecture.</summary>
    /// <param name="shape">The model's shape.</param>
    /// <param name="sharedBytes">Shared memory that a thread block can have.</param>
    public static string[] Options(KernelShape shape, int sharedBytes) =>
    [
        "--std=c++17",
        $"-DROLLOUT_BF16={(shape.Dtype == ScalarType.BFloat16 ? 1 : 0)}",
        $"-DROLLOUT_HEAD_DIM={shape.HeadDim}",
        $"-DROLLOUT_HEADS={shape.QueryHeads}",
        $"-DROLLOUT_KV_HEADS={shape.KvHeads}",
        $"-DROLLOUT_BLOCK_SIZE={shape.BlockSize}",
        $"-DROLLOUT_STAGES={AttentionLaunch.Stages(shape, sharedBytes)}",
        $"-DROLLOUT_MIN_BLOCKS={AttentionLaunch.MinBlocks(shape)}",
    ];
}
