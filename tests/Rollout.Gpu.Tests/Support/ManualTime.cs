namespace Rollout.Gpu.Tests.Support;

/// <summary>Time that passes when the test says so, for deadlines of whatever is given this provider.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private TimeSpan _now;

    /// <summary>Timers of at most this time run out as soon as they are set, and the time passes with them.</summary>
    public TimeSpan Skips { get; init; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        lock (_gate)
            return _now.Ticks;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, () => callback(state));
        lock (_gate)
            _timers.Add(timer);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Runs every callback that becomes due.</summary>
    public void Advance(TimeSpan by)
    {
        ManualTimer[] due;
        lock (_gate)
        {
            _now += by;
            due = [.. _timers.Where(timer => timer.Due <= _now)];
            Array.ForEach(due, timer => timer.Due = TimeSpan.MaxValue);
        }
        Array.ForEach(due, timer => timer.Run());
    }

    private sealed class ManualTimer(ManualTime time, Action run) : ITimer
    {
        /// <summary>When it fires, once.</summary>
        public TimeSpan Due { get; set; } = TimeSpan.MaxValue;

        public Action Run { get; } = run;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            var isSet = dueTime >= TimeSpan.Zero;
            lock (time._gate)
                Due = isSet ? time._now + dueTime : TimeSpan.MaxValue;
            if (isSet && dueTime <= time.Skips)
                time.Advance(dueTime);
            return true;
        }

        public void Dispose()
        {
            lock (time._gate)
                time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
