using System.Runtime.InteropServices;
using Rollout.Gpu.Interop;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Interop;

public sealed class LibTorchTests
{
    [Fact]
    public void A_matrix_product_runs_once_libtorch_is_loaded()
    {
        LibTorch.Load();
        LibTorch.Load();

        using var scope = NewDisposeScope();
        var left = tensor(new float[] { 1, 2, 3, 4 }, [2, 2]);
        var right = tensor(new float[] { 5, 6, 7, 8 }, [2, 2]);
        Assert.Equal([19f, 22f, 43f, 50f], left.mm(right).data<float>().ToArray());
        if (OperatingSystem.IsLinux())
            Assert.True(File.Exists(Path.Combine(LibTorch.Folder!, "libtorch_cpu.so")));
    }

    [Fact]
    public void Requiring_a_GPU_works_or_names_what_is_missing()
    {
        LibTorch.Load();
        if (cuda.is_available())
        {
            LibTorch.Load(cuda: true);
            return;
        }

        var error = Assert.Throws<LibTorchException>(() => LibTorch.Load(cuda: true));
        Assert.StartsWith("Device cuda ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("linux-x64", Architecture.X64, null)]
    [InlineData("win-x64", Architecture.X64, null)]
    [InlineData("osx-arm64", Architecture.Arm64, null)]
    [InlineData("linux-musl-x64", Architecture.X64, "musl")]
    [InlineData("linux-arm64", Architecture.Arm64, "linux-arm64")]
    [InlineData("osx-x64", Architecture.X64, "osx-x64")]
    [InlineData("freebsd-x64", Architecture.X64, "freebsd-x64")]
    public void A_system_without_a_native_library_is_named(string runtime, Architecture architecture, string? named)
    {
        var error = Record.Exception(() => LibTorch.RequireSupportedMachine(runtime, architecture));

        if (named is null)
            Assert.Null(error);
        else
            Assert.Contains(named, Assert.IsType<LibTorchException>(error).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(
        "libcudart.so.13: cannot open shared object file: No such file or directory",
        "libX.so needs libcudart.so.13, which is not installed: install it, or put its folder into LD_LIBRARY_PATH.")]
    [InlineData(
        "/a/libX.so: cannot open shared object file: No such file or directory",
        "'/a/libX.so' is missing or cannot be read: build the program or install libtorch again.")]
    [InlineData(
        "/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by /a/libX.so)",
        "libX.so needs GLIBCXX_3.4.32, which this system's libstdc++ lacks: build the program on this machine, or "
            + "publish it with -p:TorchSharpRepair=always.")]
    [InlineData(
        "/lib/libc.so.6: version `GLIBC_2.34' not found (required by /a/libX.so)",
        "libX.so needs GLIBC_2.34, which this system's C library lacks: use Debian 12, Ubuntu 22.04, RHEL 9 or later.")]
    [InlineData(
        "/a/libX.so: undefined symbol: _ZN3c10",
        "'/a/libX.so' cannot be loaded: /a/libX.so: undefined symbol: _ZN3c10.")]
    public void The_loaders_error_becomes_a_sentence(string complaint, string sentence) =>
        Assert.Equal(sentence, LibTorchLoader.Sentence("/a/libX.so", complaint));

    [Fact]
    public void A_library_that_cannot_be_loaded_is_named_with_the_reason()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "dlopen is Linux's here.");
        var folder = Directory.CreateTempSubdirectory("libtorch-loader").FullName;
        var damaged = Path.Combine(folder, "libdamaged.so");
        File.WriteAllText(damaged, "no library");
        var loader = new LibTorchLoader([folder]);

        var absent = Assert.Throws<LibTorchException>(() => loader.Load(Path.Combine(folder, "libabsent.so")));
        var broken = Assert.Throws<LibTorchException>(() => loader.Load(damaged));

        Assert.Contains("libabsent.so' is missing", absent.Message, StringComparison.Ordinal);
        Assert.Contains("libdamaged.so' cannot be loaded", broken.Message, StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
    }
}
