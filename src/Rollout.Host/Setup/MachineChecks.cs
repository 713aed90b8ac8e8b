using System.Reflection;
using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Host.View;
using TorchSharp;

namespace Rollout.Host.Setup;

/// <summary>Checks what every run needs of a machine.</summary>
internal static class MachineChecks
{
    private const long LittleDisk = 1L << 30;

    /// <param name="needsCuda">What is missing for device cuda is a failure, not a note.</param>
    public static IEnumerable<Check> Run(bool needsCuda)
    {
        var version = typeof(MachineChecks).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        yield return new Check(
            "program", Check.Ok,
            $"rollout {version}, {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier},"
            + $" {Figures.Count(Environment.ProcessorCount, "core")}");
        yield return LibTorchCheck();
        foreach (var part in CudaParts.Look())
        {
            yield return part.Problem is not { } problem ? new Check(part.Name, Check.Ok, "found")
                : needsCuda ? new Check(part.Name, Check.Fail, problem)
                : new Check(part.Name, Check.Note, $"{problem} Only device cuda needs it.");
        }
        yield return DiskCheck(new DriveInfo(Environment.CurrentDirectory).AvailableFreeSpace);
        yield return ClockCheck(TimeProvider.System.GetUtcNow(), File.GetLastWriteTimeUtc(typeof(MachineChecks).Assembly.Location));
    }

    internal static Check DiskCheck(long free) => free < LittleDisk
        ? new Check("disk", Check.Fail, $"{Figures.Bytes(free)} are free here: make room, or run where there is more")
        : new Check("disk", Check.Ok, $"{Figures.Bytes(free)} are free here");

    internal static Check ClockCheck(DateTimeOffset now, DateTime built) => now < built
        ? new Check("clock", Check.Fail, $"it says {now:u}, and this program is of {built:u}: set it, as certificates depend on it")
        : new Check("clock", Check.Ok, $"{now:u}");

    private static Check LibTorchCheck()
    {
        try
        {
            LibTorch.Load();
            return new Check(
                "libtorch", Check.Ok, $"{torch.__version__}{(LibTorch.Folder is { Length: > 0 } folder ? $" in {folder}" : "")}");
        }
        catch (DeviceException missing)
        {
            return new Check("libtorch", Check.Fail, missing.Message);
        }
    }
}
