using Rollout.Actors.Protocol;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// Numbers the schedulers of a cluster by the time at which they start, in milliseconds since 1970. A hand-over takes a
/// second and more, so clocks that agree as well as NTP makes them keep the order; membership's own numbers don't, which
/// are given again when the youngest members have left. A scheduler whose clock is behind hears of higher numbers from
/// the decoders, and goes beyond them.
/// </summary>
public sealed class SchedulerEpochs(TimeProvider time)
{
    private long _last;

    /// <summary>A number higher than all that were given or heard of.</summary>
    public SchedulerEpoch Next()
    {
        _last = Math.Max(_last + 1, time.GetUtcNow().ToUnixTimeMilliseconds());
        return new SchedulerEpoch(_last);
    }

    /// <summary>A scheduler of this number has been there.</summary>
    public void Hear(SchedulerEpoch epoch) => _last = Math.Max(_last, epoch.Value);
}
