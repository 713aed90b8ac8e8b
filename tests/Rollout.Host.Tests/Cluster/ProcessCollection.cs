using Xunit;

namespace Rollout.Host.Tests.Cluster;

/// <summary>Tests that start processes: one after the other, with the machine to themselves.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessCollection
{
    public const string Name = "processes";
}
