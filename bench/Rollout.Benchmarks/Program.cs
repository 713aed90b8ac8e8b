using BenchmarkDotNet.Running;
using Rollout.Benchmarks.Blocks;
using Rollout.Benchmarks.Scheduling;

// "allocator" measures one round trip in a few seconds; everything else goes to BenchmarkDotNet.
if (args is ["allocator"])
{
    await AllocatorRoundTrip.PrintAsync();
    return 0;
}

// "scheduler" runs a thousand decoders without models against one scheduler.
if (args is ["scheduler"])
{
    await SchedulerBench.PrintAsync();
    return 0;
}

BenchmarkSwitcher.FromAssembly(typeof(AllocatorRoundTrip).Assembly).Run(args);
return 0;
