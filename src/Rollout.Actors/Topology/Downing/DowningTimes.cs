using Akka.Configuration;

namespace Rollout.Actors.Topology.Downing;

/// <summary>The times by which <see cref="DowningJudge"/> decides.</summary>
/// <param name="StableAfter">The schedulers decide when no link broke or healed for this long.</param>
public sealed record DowningTimes(TimeSpan StableAfter)
{
    /// <param name="akka">The whole configuration of an actor system.</param>
    public static DowningTimes Of(Config akka) => new(akka.GetTimeSpan("akka.cluster.split-brain-resolver.stable-after"));

    /// <summary>Between two looks at the cluster.</summary>
    public TimeSpan Tick { get; } = TimeSpan.FromTicks(Math.Min(TimeSpan.TicksPerSecond, StableAfter.Ticks / 5));

    /// <summary>A process whose look comes this much later than the one before was frozen, or starved of time.</summary>
    public TimeSpan Late => 3 * Tick;

    /// <summary>A link that stays broken for this long is judged, however many others come and go.</summary>
    public TimeSpan Stubborn => 3 * StableAfter;

    /// <summary>A member that reaches no majority of the schedulers ends by itself after this time, when they had theirs.</summary>
    public TimeSpan Alone => 2 * StableAfter;
}
