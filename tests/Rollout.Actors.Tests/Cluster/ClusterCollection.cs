using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>Tests that run several members in this process: one after the other, with the machine to themselves.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ClusterCollection
{
    public const string Name = "cluster";
}
