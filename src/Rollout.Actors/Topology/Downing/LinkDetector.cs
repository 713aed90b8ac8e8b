using Akka.Configuration;
using Akka.Event;
using Akka.Remote;

namespace Rollout.Actors.Topology.Downing;

/// <summary>
/// Akka's failure detector for one other member, which can be switched off: <see cref="Topology.DowningActor"/> does so where neither
/// end is a scheduler. Such members need not reach each other, and a broken link between them must not hold up the cluster.
/// </summary>
public sealed class LinkDetector : PhiAccrualFailureDetector
{
    private readonly EventStream _events;
    private volatile bool _isIgnored;
    private int _heartbeats;

    // Akka creates it with these two arguments, and sets the member's address before the first heartbeat.
    public LinkDetector(Config config, EventStream events)
        : base(config, events) => _events = events;

    /// <summary>Silence of the member doesn't make it unreachable.</summary>
    public bool IsIgnored
    {
        get => _isIgnored;
        set => _isIgnored = value;
    }

    /// <summary>The member isn't heard, ignored or not.</summary>
    public bool IsSilent => !base.IsAvailable;

    public override bool IsAvailable => _isIgnored || base.IsAvailable;

    public override void HeartBeat()
    {
        base.HeartBeat();
        if (Interlocked.Exchange(ref _heartbeats, 1) == 0)
            _events.Publish(new Started(this));
    }

    /// <summary>Published once on the event stream by each detector.</summary>
    public sealed record Started(LinkDetector Detector);
}
