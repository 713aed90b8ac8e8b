using System.ComponentModel;
using System.Diagnostics;

namespace Rollout.Actors.Rewards.Programs;

/// <summary>How a program is started: its command line and folder. Made once, when the configuration is read.</summary>
/// <param name="Command">The whole command line, sandbox included.</param>
/// <param name="Folder">The current folder.</param>
internal sealed record ProgramLauncher(IReadOnlyList<string> Command, string Folder)
{
    private static readonly TimeSpan ProbeTime = TimeSpan.FromSeconds(20);

    /// <summary>Starts the program in a sandbox.</summary>
    /// <param name="program">Its path and arguments.</param>
    /// <param name="limits">What it may use.</param>
    /// <param name="folder">Its current folder, which it sees.</param>
    /// <exception cref="NotSupportedException">This machine has no sandbox; the message says what is missing.</exception>
    public static ProgramLauncher Sandboxed(IReadOnlyList<string> program, SandboxLimits limits, string folder)
    {
        var bubblewrap = Find("bwrap")
            ?? throw new NotSupportedException("bubblewrap (bwrap) is not installed");
        foreach (var tool in (string[])["prlimit", "setpriv", "setsid"])
            _ = Find(tool) ?? throw new NotSupportedException($"{tool} of util-linux is not installed");
        string[] Build(IReadOnlyList<string> inside) =>
            SandboxCommand.Build(bubblewrap, inside, limits, folder, Environment.IsPrivilegedProcess);
        if (Probe(Build(["true"])) is { } why)
            throw new NotSupportedException($"bubblewrap can't make a sandbox here: {why}");
        return new ProgramLauncher(Build(program), folder);
    }

    public ProgramWorker Start() => ProgramWorker.Start(Command, Folder);

    /// <summary>The full path of a program; null if PATH has none of that name.</summary>
    public static string? Find(string program) => program.Contains('/')
        ? File.Exists(program) ? Path.GetFullPath(program) : null
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    /// <summary>Runs a command that should succeed at once. Returns why it did not.</summary>
    private static string? Probe(string[] command)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
            if (!process.WaitForExit(ProbeTime))
            {
                process.Kill(entireProcessTree: true);
                return $"it took more than {ProbeTime.TotalSeconds} s";
            }
            return process.ExitCode == 0 ? null : process.StandardError.ReadToEnd().Trim().Split('\n')[^1];
        }
        catch (Win32Exception cause)
        {
            return cause.Message;
        }
    }
}
