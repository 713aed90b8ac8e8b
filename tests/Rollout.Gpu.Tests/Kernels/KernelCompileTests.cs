using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

/// <summary>NVRTC needs no GPU, so that kernels can be compiled on any machine that has it.</summary>
public sealed class KernelCompileTests
{
    private const int HopperBytes = 227 << 10;

    [Theory]
    [InlineData(128, 16, 8, 16, ScalarType.BFloat16, "sm_90", HopperBytes)]
    [InlineData(72, 6, 3, 5, ScalarType.BFloat16, "sm_90", HopperBytes)]
    [InlineData(8, 8, 4, 1, ScalarType.Float32, "sm_90", HopperBytes)]
    [InlineData(128, 16, 8, 16, ScalarType.BFloat16, "sm_86", 99 << 10)]
    public void Every_kernel_compiles_for_the_shape(
        int headDim, int heads, int kvHeads, int blockSize, ScalarType dtype, string architecture, int sharedBytes)
    {
        var compiler = Compiler();
        var shape = new KernelShape(headDim, heads, kvHeads, blockSize, dtype).Checked();
        using var folder = new TemporaryFolder();

        string[] files = [.. KernelSource.FilesFor(dtype), .. KernelSource.Training.Except(KernelSource.FilesFor(dtype))];

        var cubins = KernelLibrary.Compile(
            files, shape, architecture, sharedBytes, compiler, new KernelCache(folder.Path));

        Assert.Equal(files.Length, cubins.Length);
        Assert.All(cubins, cubin => Assert.Equal("\u007fELF"u8, cubin.AsSpan(0, 4)));
        Assert.Equal(cubins.Length, Directory.GetFiles(folder.Path).Length);
    }

    [Fact]
    public void A_compile_error_contains_the_compilers_log()
    {
        var compiler = Compiler();

        var error = Assert.Throws<KernelCompileException>(() => compiler.Compile(
            "broken.cu", "#include \"part.cuh\"\nint x = nothing;", new Dictionary<string, string> { ["part.cuh"] = "" },
            "sm_90", []));

        Assert.Contains("broken.cu", error.Message, StringComparison.Ordinal);
        Assert.Contains("nothing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_architecture_unknown_to_the_compiler_is_named()
    {
        var compiler = Compiler();
        using var folder = new TemporaryFolder();
        var shape = new KernelShape(128, 16, 8, 16, ScalarType.BFloat16);

        var error = Assert.Throws<LibTorchException>(
            () => KernelLibrary.Compile(KernelSource.FilesFor(ScalarType.BFloat16), shape, "sm_999", HopperBytes, compiler, new KernelCache(folder.Path)));

        Assert.Equal(
            $"NVRTC {compiler.Version} does not know sm_999: install a newer one (pip's nvidia-cuda-nvrtc, or the CUDA "
            + "toolkit), or set ROLLOUT_NVRTC to its file.",
            error.Message);
    }

    [Theory]
    [InlineData(12, 4, 2, 16, ScalarType.BFloat16, "head_dim is 12")]
    [InlineData(512, 4, 2, 16, ScalarType.BFloat16, "head_dim is 512")]
    [InlineData(64, 5, 2, 16, ScalarType.BFloat16, "5 for 2")]
    [InlineData(64, 65, 1, 16, ScalarType.BFloat16, "65 for 1")]
    [InlineData(64, 4, 2, 0, ScalarType.BFloat16, "block-size is 0")]
    [InlineData(64, 4, 2, 16, ScalarType.Float16, "Float16")]
    public void An_unsupported_shape_is_refused_in_a_sentence(
        int headDim, int heads, int kvHeads, int blockSize, ScalarType dtype, string told)
    {
        var error = Assert.Throws<UnsupportedModelException>(
            () => new KernelShape(headDim, heads, kvHeads, blockSize, dtype).Checked());

        Assert.Contains(told, error.Message, StringComparison.Ordinal);
    }

    private static Nvrtc Compiler()
    {
        try
        {
            return Nvrtc.Load(LibTorch.Folder);
        }
        catch (LibTorchException cause)
        {
            Assert.Skip(cause.Message);
            throw;
        }
    }
}
