using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Rollout.Chaos;

/// <summary>A process of the program under test: what it says goes to a file, and may be waited for.</summary>
internal sealed partial class ChildProcess : IDisposable
{
    private const int Terminate = 15;
    private const int Stop = 19;
    private const int Continue = 18;

    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly TaskCompletionSource<string> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action<string> _heard;

    private ChildProcess(string name, Process process, string logFile, Action<string> heard)
    {
        Name = name;
        _process = process;
        _log = new StreamWriter(logFile, append: true) { AutoFlush = true };
        _heard = heard;
    }

    public string Name { get; }

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>host:port, from the line that says that it is ready.</summary>
    public Task<string> Ready => _ready.Task;

    public Task Exited => _process.WaitForExitAsync();

    /// <param name="name">For the log.</param>
    /// <param name="folder">Where its log goes.</param>
    /// <param name="heard">Told every line that it says.</param>
    /// <param name="arguments">The program's.</param>
    public static ChildProcess Start(string name, string folder, Action<string> heard, params string[] arguments)
    {
        // A published harness has the executable beside it, and needs no SDK.
        var program = Path.Combine(AppContext.BaseDirectory, "rollout");
        var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
                WorkingDirectory = folder,
                // Those that are killed would leave their diagnostic pipes behind.
                Environment = { ["DOTNET_EnableDiagnostics"] = "0" },
            },
            EnableRaisingEvents = true,
        };
        var child = new ChildProcess(name, process, Path.Combine(folder, $"{name}.log"), heard);
        process.OutputDataReceived += child.Hear;
        process.ErrorDataReceived += child.Hear;
        process.Exited += (_, _) => child._ready.TrySetException(
            new InvalidOperationException($"{name} ended before it was ready"));
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return child;
    }

    /// <summary>SIGKILL.</summary>
    public void Kill() => _process.Kill();

    /// <summary>SIGTERM: it may finish what it does.</summary>
    public void AskToEnd() => Send(Terminate);

    /// <summary>SIGSTOP.</summary>
    public void Pause() => Send(Stop);

    /// <summary>SIGCONT.</summary>
    public void Resume() => Send(Continue);

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        lock (_log)
            _log.Dispose();
    }

    private void Hear(object sender, DataReceivedEventArgs said)
    {
        if (said.Data is not { } line)
            return;
        lock (_log)
        {
            if (_log.BaseStream is { CanWrite: true })
                _log.WriteLine(line);
        }
        if (line.StartsWith("READY ", StringComparison.Ordinal))
            _ready.TrySetResult(line.Split(' ').Single(word => word.StartsWith("address=", StringComparison.Ordinal))[8..]);
        _heard(line);
    }

    private void Send(int signal)
    {
        if (!_process.HasExited)
            _ = SendSignal(_process.Id, signal);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SendSignal(int process, int signal);
}
