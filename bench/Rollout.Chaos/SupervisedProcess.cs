using System.Diagnostics;

namespace Rollout.Chaos;

/// <summary>
/// One process of the cluster, and what keeps processes running elsewhere: it is started again when it ends before its
/// time, whether by a fault or because the cluster gave it up.
/// </summary>
/// <param name="name">For the log.</param>
/// <param name="folder">Where its log goes.</param>
/// <param name="heard">Told every line that it says.</param>
/// <param name="isGivenUp">Whether others have said, since a time, that the member at an address is down.</param>
/// <param name="isJob">It has something to get done, and is over with exit code 0; others run until they are asked to leave.</param>
/// <param name="start">The program's arguments.</param>
/// <param name="again">And those of every process after the first.</param>
internal sealed class SupervisedProcess(
    string name,
    string folder,
    Action<string> heard,
    Func<string, long, bool> isGivenUp,
    bool isJob,
    string[] start,
    string[] again) : IDisposable
{
    private const int Failure = 1;
    private const int Killed = 128 + 9;
    private const int Interrupted = 130;

    /// <summary>By SIGTERM, before it had begun to listen for that.</summary>
    private const int Terminated = 128 + 15;

    private const int Tries = 3;

    private static readonly TimeSpan ReadyTime = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan LeaveTime = TimeSpan.FromSeconds(60);

    private readonly Lock _turn = new();
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ChildProcess? _process;
    private bool _isAway = true;

    public string Name => name;

    /// <summary>host:port of the last one that was ready.</summary>
    public string Address { get; private set; } = "";

    /// <summary>It is being disturbed, or started.</summary>
    public bool IsAway
    {
        get
        {
            lock (_turn)
                return _isAway;
        }
    }

    /// <summary>A job is done, or can't be.</summary>
    public Task Over => _over.Task;

    /// <summary>Times that it was started again without a fault of ours: given up by the cluster, or not let in.</summary>
    public int StartedAgain { get; private set; }

    /// <summary>The first end that nothing explains; null where there was none.</summary>
    public string? Surprise { get; private set; }

    public async Task StartAsync()
    {
        await LaunchAsync(start);
        await ReleaseAsync();
    }

    /// <summary>False where somebody else disturbs it, or it is over.</summary>
    public bool TryTake()
    {
        lock (_turn)
            return !_isAway && !Over.IsCompleted && (_isAway = true);
    }

    /// <summary>Lets it be disturbed, after <see cref="TryTake"/>; ends when it is well again.</summary>
    public async Task DisturbAsync(Fault fault, CancellationToken over)
    {
        var process = _process!;
        switch (fault.Kind)
        {
            case FaultKind.Kill:
                process.Kill();
                await process.Exited;
                await DelayAsync(fault.Lasts, over);
                break;
            case FaultKind.Leave:
                process.AskToEnd();
                if (await EndOfAsync(process) is not 0 and var code && !isJob)
                    Surprise ??= $"{name} was asked to leave and {Said(code)}";
                await DelayAsync(fault.Lasts, over);
                break;
            default:
                process.Pause();
                var paused = Stopwatch.GetTimestamp();
                await DelayAsync(fault.Lasts, over);
                process.Resume();
                // It finds out, and ends; it must not go on as if nothing had been.
                if (isGivenUp(Address, paused) && await EndOfAsync(process) is var end and not Failure)
                    Surprise ??= $"{name} was stopped and given up, and {Said(end)}";
                break;
        }
        await ReleaseAsync(isAsked: true);
    }

    /// <summary>Returns when it is up and nobody's.</summary>
    public async Task SettleAsync(TimeSpan patience)
    {
        using var deadline = new CancellationTokenSource(patience);
        while (IsAway)
            await Task.Delay(50, deadline.Token);
    }

    /// <summary>It leaves as asked, for good. Gives what did not go as it should.</summary>
    public async Task<string?> LeaveAsync()
    {
        if (!TryTake())
            return $"{name} is not there to be asked to leave";
        _over.TrySetResult();
        _process!.AskToEnd();
        return await EndOfAsync(_process) is not 0 and var code ? $"{name} was asked to leave and {Said(code)}" : null;
    }

    public void Dispose()
    {
        _over.TrySetResult();
        _process?.Dispose();
    }

    /// <summary>Under supervision again: where it has ended, a new process takes its place.</summary>
    /// <param name="isAsked">It ended, if so, by a fault.</param>
    private async Task ReleaseAsync(bool isAsked = false)
    {
        do
        {
            if (_process!.HasExited && !IsOver(_process.ExitCode, isAsked))
                await RestartAsync(isAsked);
            isAsked = false;
            lock (_turn)
                _isAway = false;
        }
        while (_process.HasExited && TryTake());
    }

    private bool IsOver(int code, bool isAsked)
    {
        var isExplained = code is Failure or Killed || (isAsked && code is 0 or Interrupted or Terminated);
        if (!isExplained && !(isJob && code == 0))
            Surprise ??= $"{name} {Said(code)}";
        if (isJob && (code == 0 || !isExplained))
            _over.TrySetResult();
        return Over.IsCompleted;
    }

    private async Task RestartAsync(bool isAsked)
    {
        StartedAgain += isAsked ? 0 : 1;
        for (var tries = 1; ; tries++)
        {
            _process!.Dispose();
            try
            {
                await LaunchAsync(again);
                return;
            }
            catch (InvalidOperationException) when (tries < Tries)
            {
                StartedAgain++;
            }
        }
    }

    private async Task LaunchAsync(string[] arguments)
    {
        var process = _process = ChildProcess.Start(name, folder, heard, arguments);
        if (!isJob)
            Address = await process.Ready.WaitAsync(ReadyTime);
        _ = WatchAsync(process);
    }

    private async Task WatchAsync(ChildProcess process)
    {
        await process.Exited;
        if (TryTake())
            await ReleaseAsync();
    }

    /// <summary>The exit code; null where it does not end.</summary>
    private static async Task<int?> EndOfAsync(ChildProcess process)
    {
        var ended = process.Exited;
        return await Task.WhenAny(ended, Task.Delay(LeaveTime)) == ended ? process.ExitCode : null;
    }

    private static string Said(int? code) => code is null ? "did not end" : $"ended with {code}";

    /// <summary>What is left of a fault does not outlast the job.</summary>
    private static async Task DelayAsync(TimeSpan time, CancellationToken over) =>
        await Task.WhenAny(Task.Delay(time, over));
}
