using Xunit;

namespace Rollout.Gpu.Tests.Support;

/// <summary>Tests that read how much of the GPU's memory is free: no other test runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class WholeGpu
{
    public const string Name = "Whole GPU";
}
