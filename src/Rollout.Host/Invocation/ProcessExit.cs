using System.Runtime.InteropServices;

namespace Rollout.Host.Invocation;

/// <summary>
/// Ends the process while its threads run. <see cref="Environment.Exit"/> would run the destructors of native libraries
/// first, and libtorch's threads crash when their data goes away under them.
/// </summary>
internal static class ProcessExit
{
    /// <summary>Ends the process at once. Nothing is flushed, and no finalizer runs.</summary>
    public static void Now(int code)
    {
        if (OperatingSystem.IsWindows())
            _ = TerminateProcess(GetCurrentProcess(), (uint)code);
        else
            ExitUnix(code);
    }

    [DllImport("libc", EntryPoint = "_exit")]
    private static extern void ExitUnix(int code);

    [DllImport("kernel32")]
    private static extern nint GetCurrentProcess();

    [DllImport("kernel32")]
    private static extern int TerminateProcess(nint process, uint code);
}
