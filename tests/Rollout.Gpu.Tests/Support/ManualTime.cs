namespace Rollout.Gpu.Tests.Support;

/// <summary>Time that passes when the test says so, for deadlines of whatever is given this provider.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private readonly List<TimeSpan> _set = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
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

    /// <summary>Advances by this step at once, and again whenever a timer is set, until a task has ended.</summary>
    public async Task AdvanceUntilAsync(Task ended, TimeSpan step)
    {
        while (!ended.IsCompleted)
        {
            var changed = Changed();
            Advance(step);
            await Task.WhenAny(ended, changed);
        }
    }

    /// <summary>Ends once timers have been set to this time so often, since the beginning.</summary>
    public Task SetAsync(TimeSpan dueTime, int times) => WhenAsync(() => _set.Count(set => set == dueTime) >= times);

    /// <summary>Ends once every timer is disposed of.</summary>
    public Task DisposedAsync() => WhenAsync(() => _timers.Count == 0);

    private async Task WhenAsync(Func<bool> isTrue)
    {
        while (true)
        {
            var changed = Changed();
            lock (_gate)
            {
                if (isTrue())
                    return;
            }
            await changed;
        }
    }

    /// <summary>Ends when the next timer is set or disposed of.</summary>
    private Task Changed()
    {
        lock (_gate)
            return _changed.Task;
    }

    private void Change(Action change)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            change();
            (changed, _changed) =
                (_changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        changed.SetResult();
    }

    private sealed class ManualTimer(ManualTime time, Action run) : ITimer
    {
        /// <summary>When it fires, once.</summary>
        public TimeSpan Due { get; set; } = TimeSpan.MaxValue;

        public Action Run { get; } = run;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            var isSet = dueTime >= TimeSpan.Zero;
            time.Change(() =>
            {
                Due = isSet ? time._now + dueTime : TimeSpan.MaxValue;
                time._set.Add(dueTime);
            });
            if (isSet && dueTime <= time.Skips)
                time.Advance(dueTime);
            return true;
        }

        public void Dispose() => time.Change(() => time._timers.Remove(this));

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
