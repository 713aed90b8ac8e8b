using BenchmarkDotNet.Running;
using Rollout.Benchmarks.Blocks;

// "allocator" measures one round trip in a few seconds; everything else goes to BenchmarkDotNet.
if (args is ["allocator"])
{
    await AllocatorRoundTrip.PrintAsync();
    return 0;
}

BenchmarkSwitcher.FromAssembly(typeof(AllocatorRoundTrip).Assembly).Run(args);
return 0;
