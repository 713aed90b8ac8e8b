using System.Runtime.InteropServices;

namespace Rollout.Host.Invocation;

/// <summary>
/// Ctrl-C and SIGTERM. The first one cancels <see cref="Token"/>. A command that has work to finish takes over and may
/// then take its time; any other must end within four seconds, or the process is ended. A second Ctrl-C ends the process
/// at once. A repeated SIGTERM is ignored: its senders know SIGKILL.
/// </summary>
public sealed class StopSignal : IDisposable
{
    /// <summary>What jobs that train say when they have taken over the first signal.</summary>
    public const string AfterThisStep = "Stopping after this step; press Ctrl-C again to end at once.";

    /// <summary>What they say while an evaluation comes before the first step.</summary>
    public const string AfterEvaluation = "Stopping after the evaluation; press Ctrl-C again to end at once.";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    private readonly CancellationTokenSource _requested = new();
    private readonly Action<string> _say;
    private readonly Action<int> _exit;
    private readonly Timer _deadline;
    private volatile Action? _announce;
    private int _presses;

    /// <param name="say">Writes a sentence to standard error.</param>
    /// <param name="exit">Ends the process with an exit code.</param>
    public StopSignal(Action<string> say, Action<int> exit)
    {
        _say = say;
        _exit = exit;
        _deadline = new Timer(_ => EndOverdue());
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _requested.Token;

    /// <summary>The exit code of a command that the first signal has ended before its work was done.</summary>
    public int ExitCode { get; private set; } = ExitCodes.Interrupted;

    /// <summary>From now on the command ends by itself, however long its work takes.</summary>
    /// <param name="announce">Tells the user what happens before the end; called when the signal comes.</param>
    public void TakeOver(Action announce) => _announce = announce;

    /// <summary>Listens to the process's signals until the result is disposed.</summary>
    public IDisposable Listen() => new Registrations(
        PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Handle(signal, Press)),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Handle(signal, Terminate)));

    public void Dispose()
    {
        _deadline.Dispose();
        _requested.Dispose();
    }

    /// <summary>Handles a Ctrl-C.</summary>
    internal void Press()
    {
        if (Interlocked.Increment(ref _presses) > 1)
        {
            _exit(ExitCodes.Interrupted);
            return;
        }
        if (_announce is { } announce)
            announce();
        else
            _say("Stopping; press Ctrl-C again to end at once.");
        _deadline.Change(Patience, Timeout.InfiniteTimeSpan);
        _requested.Cancel();
    }

    /// <summary>Handles a SIGTERM.</summary>
    internal void Terminate()
    {
        if (_requested.IsCancellationRequested)
            return;
        ExitCode = ExitCodes.Terminated;
        Press();
    }

    /// <summary>Ends the process, unless the command has taken over.</summary>
    internal void EndOverdue()
    {
        if (_announce is not null)
            return;
        _say($"Ended at once: the command did not stop within {Patience.TotalSeconds} seconds.");
        _exit(ExitCode);
    }

    private static void Handle(PosixSignalContext signal, Action action)
    {
        signal.Cancel = true; // the runtime would end the process
        action();
    }

    private sealed record Registrations(IDisposable Interrupt, IDisposable Terminate) : IDisposable
    {
        public void Dispose()
        {
            Interrupt.Dispose();
            Terminate.Dispose();
        }
    }
}
