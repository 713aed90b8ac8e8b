using Akka.Actor;
using Akka.Cluster;

namespace Rollout.Actors.Topology.Downing;

/// <summary>
/// Makes <see cref="DowningActor"/> the one that decides who is downed; named in <c>akka.cluster.downing-provider-class</c>.
/// Akka's own split-brain resolver downs both ends of a single broken link.
/// </summary>
public sealed class DowningProvider : IDowningProvider
{
    private readonly Cluster _cluster;
    private readonly DowningTimes _times;

    // Akka creates it with these two arguments.
    public DowningProvider(ActorSystem system, Cluster cluster)
    {
        _cluster = cluster;
        var section = system.Settings.Config.GetConfig("akka.cluster");
        _times = new DowningTimes(section.GetTimeSpan("split-brain-resolver.stable-after"));
        DownRemovalMargin = section.GetTimeSpan("down-removal-margin");
    }

    public TimeSpan DownRemovalMargin { get; }

    public Props DowningActorProps => DowningActor.Props(_cluster, _times);
}
