using System.Runtime.InteropServices;

namespace Rollout.Host.Invocation;

/// <summary>
/// Ctrl-C, and SIGTERM alike. The first asks the run to stop after the training step that is under way, and says so;
/// a second Ctrl-C ends the program at once. SIGTERM counts once: some senders repeat it, and know SIGKILL.
/// </summary>
public sealed class StopSignal : IDisposable
{
    private readonly CancellationTokenSource _requested = new();
    private readonly Action<int> _exit;
    private volatile Action<string> _announce;
    private int _presses;

    /// <param name="announce">Told the sentence of the first press.</param>
    /// <param name="exit">Ends the program with the given code.</param>
    public StopSignal(Action<string> announce, Action<int> exit)
    {
        _announce = announce;
        _exit = exit;
    }

    /// <summary>Cancelled by the first press.</summary>
    public CancellationToken Token => _requested.Token;

    /// <summary>Has the sentence said elsewhere: by a view that owns the console.</summary>
    public void AnnounceBy(Action<string> announce) => _announce = announce;

    /// <summary>Listens to the process's signals until the result is disposed.</summary>
    public IDisposable Listen() => new Registrations(
        PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, HandleTermination));

    public void Dispose() => _requested.Dispose();

    /// <summary>A Ctrl-C.</summary>
    internal void Press()
    {
        if (Interlocked.Increment(ref _presses) > 1)
        {
            _exit(ExitCodes.Interrupted);
            return;
        }

        _announce("Stopping after this step; press Ctrl-C again to end at once.");
        _requested.Cancel();
    }

    /// <summary>A SIGTERM.</summary>
    internal void Terminate()
    {
        if (!_requested.IsCancellationRequested)
            Press();
    }

    private void HandleTermination(PosixSignalContext signal)
    {
        signal.Cancel = true;
        Terminate();
    }

    private void Handle(PosixSignalContext signal)
    {
        signal.Cancel = true;
        Press();
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
