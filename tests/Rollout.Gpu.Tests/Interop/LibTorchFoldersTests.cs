using Rollout.Gpu.Interop;
using Xunit;

namespace Rollout.Gpu.Tests.Interop;

public sealed class LibTorchFoldersTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("libtorch-folders").FullName;

    [Fact]
    public void LIBTORCH_names_the_install_or_its_lib_folder_and_wins_over_PyTorch()
    {
        var lib = Install("libtorch");

        Assert.Equal(lib, LibTorchFolders.Find(Path.Combine(_root, "libtorch"), () => Install("torch")));
        Assert.Equal(lib, LibTorchFolders.Find(lib, () => Install("torch")));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void Without_LIBTORCH_an_installed_PyTorch_is_used(string? unset)
    {
        var lib = Install("torch");

        Assert.Equal(lib, LibTorchFolders.Find(unset, () => Path.Combine(_root, "torch")));
    }

    [Fact]
    public void A_LIBTORCH_without_the_library_is_refused_even_where_PyTorch_is_installed()
    {
        var error = Assert.Throws<LibTorchException>(() => LibTorchFolders.Find(_root, () => Install("torch")));

        Assert.StartsWith($"LIBTORCH is '{_root}', and neither", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_any_libtorch_the_error_says_what_to_do() =>
        Assert.StartsWith(
            "No libtorch was found: set LIBTORCH",
            Assert.Throws<LibTorchException>(() => LibTorchFolders.Find(null, () => null)).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("version.py", "from typing import Optional\n__version__ = '2.9.1+cu128'\n", true)]
    [InlineData("version.py", "from typing import Optional\n__version__ = '2.11.0+cu130'\n", false)]
    [InlineData("build-version", "1.13.1+cpu\n", true)]
    [InlineData("build-version", "2.10.0+cpu\n", false)]
    public void A_libtorch_that_is_too_old_is_refused_before_it_is_loaded(string file, string content, bool refused)
    {
        Install("torch");
        File.WriteAllText(Path.Combine(_root, "torch", file), content);

        var error = Record.Exception(() => LibTorchFolders.Find(Path.Combine(_root, "torch"), () => null));

        if (refused)
            Assert.Contains("needs 2.10 or newer", Assert.IsType<LibTorchException>(error).Message, StringComparison.Ordinal);
        else
            Assert.Null(error);
    }

    [Fact]
    public void NVIDIAs_packages_beside_PyTorch_are_searched_too()
    {
        var lib = Install("torch");
        var cudnn = Directory.CreateDirectory(Path.Combine(_root, "nvidia", "cudnn", "lib")).FullName;

        Assert.Equal([lib, cudnn], LibTorchFolders.WithDependencies(lib));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private string Install(string name)
    {
        var lib = Directory.CreateDirectory(Path.Combine(_root, name, "lib")).FullName;
        File.WriteAllText(Path.Combine(lib, "libtorch_cpu.so"), "");
        return lib;
    }
}
