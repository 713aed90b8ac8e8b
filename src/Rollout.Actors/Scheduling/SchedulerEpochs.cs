using Rollout.Actors.Protocol;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// Numbers the schedulers of a cluster by their start, in milliseconds since 1970. A hand-over takes at least a second, so
/// clocks that NTP keeps give the right order. (Membership's own numbers don't: they are given again when the youngest
/// members have left.) A scheduler whose clock is behind hears of higher numbers from decoders and clients, and goes above.
/// </summary>
public sealed class SchedulerEpochs(TimeProvider time)
{
    private long _last;

    /// <summary>
    /// Returns a number above all that were given or heard of; <see cref="SchedulerEpoch.Largest"/> where none is.
    /// </summary>
    public SchedulerEpoch Next()
    {
        _last = Math.Min(Math.Max(_last + 1, time.GetUtcNow().ToUnixTimeMilliseconds()), SchedulerEpoch.Largest.Value);
        return new SchedulerEpoch(_last);
    }

    /// <summary>Records the number of another scheduler, up to <see cref="SchedulerEpoch.Largest"/>.</summary>
    public void Hear(SchedulerEpoch epoch) =>
        _last = Math.Max(_last, Math.Min(epoch.Value, SchedulerEpoch.Largest.Value));
}
