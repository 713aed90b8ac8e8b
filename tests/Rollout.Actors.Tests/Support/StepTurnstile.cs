namespace Rollout.Actors.Tests.Support;

/// <summary>Stops a decoder before each of its steps until the test lets it pass, so that no race decides how far it is.</summary>
public sealed class StepTurnstile : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _arrivals = new(0);
    private readonly SemaphoreSlim _turns = new(0);
    private volatile bool _isOpen;

    /// <summary>A decoder waits here, or has waited.</summary>
    public bool IsReached { get; private set; }

    /// <summary>Called by the decoder before a step.</summary>
    public void Pass()
    {
        if (_isOpen)
            return;
        IsReached = true;
        _arrivals.Release();
        _turns.Wait();
    }

    /// <summary>Returns when the decoder has made one step and waits before the next.</summary>
    /// <exception cref="TimeoutException">It doesn't come to another step.</exception>
    public void LetOneStepPass()
    {
        if (!_arrivals.Wait(Hang))
            throw new TimeoutException("the decoder does not come to another step");
        _turns.Release();
    }

    /// <summary>From now on no step waits.</summary>
    public void Open()
    {
        if (_isOpen)
            return;
        _isOpen = true;
        _turns.Release();
    }

    public void Dispose()
    {
        _arrivals.Dispose();
        _turns.Dispose();
    }
}
