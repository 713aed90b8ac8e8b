using System.Runtime.InteropServices;
using Rollout.Gpu.Interop;
using Xunit;

namespace Rollout.Gpu.Tests.Interop;

/// <summary>Where NVRTC is looked for; needs none.</summary>
public sealed class NvrtcLibraryTests : IDisposable
{
    private static readonly string[] Nowhere = ["libnvrtc-of-no-machine.so.1", "libnvrtc-of-no-machine.so.2"];

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_named_file_that_is_no_library_is_refused_by_name()
    {
        var named = Write("libnvrtc.so.12");

        var error = Assert.Throws<LibTorchException>(() => NvrtcLibrary.Find(named, ["libc.so.6"], []));

        Assert.Equal($"ROLLOUT_NVRTC is '{named}', which cannot be loaded as a library.", error.Message);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void Without_a_library_the_error_says_what_was_searched_and_what_to_do(string? named)
    {
        Write("libnvrtc.so.12"); // is no library
        var error = Assert.Throws<LibTorchException>(
            () => NvrtcLibrary.Find(named, Nowhere, [_folder.Path, _folder.At("absent")]));

        Assert.Equal(
            "Device cuda compiles its kernels with NVIDIA's NVRTC, and no libnvrtc-of-no-machine.so.1 or "
            + "libnvrtc-of-no-machine.so.2 was found: install it (pip's nvidia-cuda-nvrtc, or the CUDA toolkit), or set "
            + "ROLLOUT_NVRTC to its file.",
            error.Message);
    }

    [Fact]
    public void A_library_is_found_in_a_later_folder()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The names are Linux's.");
        var library = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "libSystem.Native.so");
        File.Copy(library, _folder.At("libnvrtc.so.13"));
        using var empty = new TemporaryFolder();

        Assert.NotEqual(0, NvrtcLibrary.Find(named: null, Nowhere, [empty.Path, _folder.Path]));
        Assert.NotEqual(0, NvrtcLibrary.Find(_folder.At("libnvrtc.so.13"), Nowhere, []));
    }

    [Fact]
    public void The_newest_library_of_a_folder_is_tried_first_without_builtins_and_variants()
    {
        string[] all =
        [
            "libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc-builtins.so.13.0", "libnvrtc.alt.so.13", "libcudart.so.13",
        ];
        foreach (var name in all)
            Write(name);

        Assert.Equal(
            [_folder.At("libnvrtc.so.13"), _folder.At("libnvrtc.so.12")], NvrtcLibrary.Candidates(_folder.Path));
        Assert.Empty(NvrtcLibrary.Candidates(_folder.At("absent")));
    }

    public void Dispose() => _folder.Dispose();

    private string Write(string name)
    {
        File.WriteAllText(_folder.At(name), "no library");
        return _folder.At(name);
    }
}
