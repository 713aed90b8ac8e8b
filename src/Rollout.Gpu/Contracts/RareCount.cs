namespace Rollout.Gpu.Contracts;

/// <summary>Counts something of which the log hears once a minute at most. Its owner's lock protects it.</summary>
/// <param name="time">The clock.</param>
public sealed class RareCount(TimeProvider time)
{
    private static readonly TimeSpan WarnEvery = TimeSpan.FromMinutes(1);

    private long _total;
    private long? _warnedAt;

    /// <summary>How often it happened so far. Safe from any thread.</summary>
    public long Total => Volatile.Read(ref _total);

    /// <summary>Adds one. True when the log is due to hear of it.</summary>
    public bool Add()
    {
        _total++;
        if (_warnedAt is { } last && time.GetElapsedTime(last) < WarnEvery)
            return false;
        _warnedAt = time.GetTimestamp();
        return true;
    }
}
