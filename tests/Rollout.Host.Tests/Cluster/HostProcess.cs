using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;
using Rollout.Host.Tests.Support;

namespace Rollout.Host.Tests.Cluster;

/// <summary>A real process, mostly of `rollout host`, and what it says. Killed when it is disposed of.</summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(4);

    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly Channel<string> _news = Channel.CreateUnbounded<string>();
    private readonly Task _reading;

    private HostProcess(Process process)
    {
        _process = process;
        _reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
        _ = _reading.ContinueWith(_ => _news.Writer.TryComplete(), TaskScheduler.Default);
    }

    /// <summary>Where it listens.</summary>
    public int Port { get; private set; }

    /// <summary>Starts one and returns when it is a member.</summary>
    /// <param name="config">A file of config/cluster/.</param>
    /// <param name="settings">"key=value" texts over it.</param>
    public static async Task<HostProcess> StartAsync(string config, params string[] settings)
    {
        var host = Start(config, settings);
        try
        {
            var ready = await host.WaitForAsync("READY port=");
            host.Port = int.Parse(ready.Split(' ')[1]["port=".Length..], CultureInfo.InvariantCulture);
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts one that may never be ready.</summary>
    public static HostProcess Start(string config, params string[] settings) => Run(
    [
        "host", "--config", RolloutRun.Job(Path.Combine("cluster", config)),
        .. settings.SelectMany(setting => (string[])["--set", setting]),
    ]);

    /// <summary>Starts any command of the program.</summary>
    public static HostProcess Run(params string[] arguments)
    {
        // A shell starts background jobs with SIGINT ignored, and so would be the processes of tests that run in one.
        var start = new ProcessStartInfo(
            "env", ["--default-signal=INT", "dotnet", Path.Combine(AppContext.BaseDirectory, "rollout.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            // Those that are killed would leave their diagnostic pipes behind.
            Environment = { ["DOTNET_EnableDiagnostics"] = "0" },
        };
        return new HostProcess(Process.Start(start)!);
    }

    /// <summary>Everything that it has said so far.</summary>
    public string Said
    {
        get
        {
            lock (_lines)
                return string.Join('\n', _lines);
        }
    }

    /// <summary>The first line from here on with this in it.</summary>
    public async Task<string> WaitForAsync(string part)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        try
        {
            await foreach (var line in _news.Reader.ReadAllAsync(deadline.Token))
            {
                if (line.Contains(part, StringComparison.Ordinal))
                    return line;
            }
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"it did not say '{part}' within {Deadline}, but:\n{Said}");
        }
        throw new InvalidOperationException($"it ended before it said '{part}':\n{Said}");
    }

    /// <summary>kill -9.</summary>
    public void Kill() => _process.Kill();

    /// <summary>SIGINT, as Ctrl-C sends it.</summary>
    public Task InterruptAsync() => SignalAsync("INT");

    /// <summary>SIGTERM; returns the exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        await SignalAsync("TERM");
        return await ExitAsync();
    }

    /// <summary>SIGSTOP: it does nothing at all until <see cref="ThawAsync"/>.</summary>
    public Task FreezeAsync() => SignalAsync("STOP");

    /// <summary>SIGCONT.</summary>
    public Task ThawAsync() => SignalAsync("CONT");

    /// <summary>The exit code, when it ends by itself.</summary>
    public async Task<int> ExitAsync()
    {
        using var deadline = new CancellationTokenSource(Deadline);
        await _process.WaitForExitAsync(deadline.Token);
        await _reading;
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
    }

    private async Task SignalAsync(string name)
    {
        using var kill = Process.Start("sh", ["-c", $"kill -{name} {_process.Id}"]);
        await kill.WaitForExitAsync();
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_lines)
                _lines.Add(line);
            _news.Writer.TryWrite(line);
        }
    }
}
