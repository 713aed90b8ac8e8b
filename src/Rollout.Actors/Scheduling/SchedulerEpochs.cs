using Rollout.Actors.Protocol;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// Numbers the schedulers of a cluster by the time at which they start, in milliseconds since 1970. A hand-over takes a
/// second and more, so clocks that agree as well as NTP makes them keep the order; membership's own numbers don't, which
/// are given again when the youngest members have left.
/// </summary>
public sealed class SchedulerEpochs(TimeProvider time)
{
    private long _last;

    /// <summary>A number higher than that of every scheduler before.</summary>
    public SchedulerEpoch Next()
    {
        _last = Math.Max(_last + 1, time.GetUtcNow().ToUnixTimeMilliseconds());
        return new SchedulerEpoch(_last);
    }
}
