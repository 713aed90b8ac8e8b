namespace Rollout.Actors.Scheduling;

/// <summary>
/// A clock for deadlines that its owner looks at every second or so: it stands still while the owner doesn't look. A process
/// that was frozen, or starved of time, has heard from nobody meanwhile, and nobody has missed a deadline. For one thread at a
/// time.
/// </summary>
/// <param name="time">The clock that always goes on.</param>
internal sealed class AwakeTime(TimeProvider time) : TimeProvider
{
    /// <summary>The most that passes between two looks.</summary>
    private static readonly TimeSpan Most = TimeSpan.FromSeconds(3);

    private long _last = time.GetTimestamp();
    private long _passed;

    public override long TimestampFrequency => time.TimestampFrequency;

    public override long GetTimestamp()
    {
        var now = time.GetTimestamp();
        _passed += Math.Min(now - _last, (long)(Most.TotalSeconds * TimestampFrequency));
        _last = now;
        return _passed;
    }
}
