namespace Rollout.Actors.Decoding;

/// <summary>
/// Decides when a failed decoder starts again: at most so many times within a window, after a pause that doubles with
/// each failure in the window. Used by the decoder's supervisor.
/// </summary>
/// <param name="maxRestarts">The most restarts within the window.</param>
/// <param name="window">How long a failure counts.</param>
/// <param name="pause">Before the first restart.</param>
internal sealed class RestartBudget(int maxRestarts, TimeSpan window, TimeSpan pause)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private readonly Queue<TimeSpan> _failures = [];    // within the window, oldest first

    /// <summary>Records a failure. Returns the pause before the restart; null if the budget is spent.</summary>
    /// <param name="now">Time since any fixed point.</param>
    public TimeSpan? PauseAfterFailure(TimeSpan now)
    {
        while (_failures.TryPeek(out var oldest) && now - oldest >= window)
            _failures.Dequeue();
        _failures.Enqueue(now);
        if (_failures.Count > maxRestarts)
            return null;
        var seconds = pause.TotalSeconds * Math.Pow(2, _failures.Count - 1);
        return TimeSpan.FromSeconds(Math.Min(seconds, LongestPause.TotalSeconds));
    }
}
