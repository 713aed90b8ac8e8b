using System.Runtime.InteropServices;
using Rollout.Build;
using Xunit;

namespace Rollout.Gpu.Tests.Interop;

public sealed class SymbolVersionRepairTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("symbol-version-repair").FullName;

    [Fact]
    public void Repairing_changes_the_one_flag_and_nothing_else()
    {
        var original = Unrepaired();
        var library = Write(original);

        Assert.True(SymbolVersionRepair.Repair(library));

        var repaired = File.ReadAllBytes(library);
        Assert.Equal(original.Length, repaired.Length);
        var changed = Enumerable.Range(0, original.Length).Where(i => original[i] != repaired[i]).ToArray();
        Assert.Equal([FlagOffset(original)], changed);
        Assert.Equal(original[changed[0]] + 2, repaired[changed[0]]);
        Assert.Single(Directory.EnumerateFiles(_folder));
    }

    [Fact]
    public void A_second_repair_finds_nothing_to_do()
    {
        var library = Write(Unrepaired());
        SymbolVersionRepair.Repair(library);
        var once = File.ReadAllBytes(library);

        Assert.False(SymbolVersionRepair.Repair(library));
        Assert.Equal(once, File.ReadAllBytes(library));
    }

    [Fact]
    public void The_file_keeps_its_time_and_its_permissions_but_not_its_hard_links()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Skip("Hard links and permissions are Linux's here.");
            return;
        }

        var time = new DateTime(2026, 5, 7, 1, 2, 3, DateTimeKind.Utc);
        var original = Unrepaired();
        var cached = Write(original);
        File.SetUnixFileMode(cached, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.SetLastWriteTimeUtc(cached, time);
        var library = Path.Combine(_folder, "linked.so");
        Assert.Equal(0, HardLink(cached, library));

        Assert.True(SymbolVersionRepair.Repair(library));

        Assert.Equal(original, File.ReadAllBytes(cached));
        Assert.Equal(time, File.GetLastWriteTimeUtc(library));
        Assert.Equal(File.GetUnixFileMode(cached), File.GetUnixFileMode(library));
    }

    [Theory]
    [InlineData("")]
    [InlineData("not a library")]
    [InlineData("\u007fELF and then something that is no ELF file at all, long enough to hold a header of 64 bytes")]
    public void What_is_no_64_bit_library_is_left_alone(string content)
    {
        var file = Path.Combine(_folder, "file.so");
        File.WriteAllText(file, content);

        Assert.False(SymbolVersionRepair.Repair(file));
        Assert.Equal(content, File.ReadAllText(file));
    }

    [Fact]
    public void A_version_that_nothing_needs_is_not_found() =>
        Assert.Null(SymbolVersionRepair.FlagOffset(Unrepaired(), "GLIBCXX_9.9.99"));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The bytes of TorchSharp's library as its package has them.</summary>
    private static byte[] Unrepaired()
    {
        var beside = Path.Combine(AppContext.BaseDirectory, "libLibTorchSharp.so");
        var portable = Path.Combine(AppContext.BaseDirectory, "runtimes/linux-x64/native/libLibTorchSharp.so");
        var library = new[] { beside, portable }.FirstOrDefault(File.Exists);
        Assert.SkipWhen(library is null, "This build carries no libLibTorchSharp.so.");
        var bytes = File.ReadAllBytes(library);
        bytes[FlagOffset(bytes)] &= 0xfd;
        return bytes;
    }

    private static int FlagOffset(byte[] bytes) =>
        SymbolVersionRepair.FlagOffset(bytes, SymbolVersionRepair.Version)
        ?? throw new InvalidOperationException("TorchSharp's library no longer needs the version: drop the repair.");

    private string Write(byte[] bytes)
    {
        var library = Path.Combine(_folder, "library.so");
        File.WriteAllBytes(library, bytes);
        return library;
    }

    [DllImport("libc", EntryPoint = "link")]
    private static extern int HardLink(string existing, string created);
}
