using BenchmarkDotNet.Running;
using Rollout.Benchmarks.Blocks;
using Rollout.Benchmarks.Scheduling;
using Rollout.Benchmarks.Weights;

// Some measure one thing in a few seconds; everything else goes to BenchmarkDotNet.
switch (args)
{
    case ["allocator"]:
        await AllocatorRoundTrip.PrintAsync();
        return 0;
    case ["scheduler"]:
        await SchedulerBench.PrintAsync();
        return 0;
    case ["weights"]:
        await TransferRate.PrintAsync();
        return 0;
    case ["weights-receiver"]:
        await TransferRate.ReceiveAsync();
        return 0;
}

BenchmarkSwitcher.FromAssembly(typeof(AllocatorRoundTrip).Assembly).Run(args);
return 0;
