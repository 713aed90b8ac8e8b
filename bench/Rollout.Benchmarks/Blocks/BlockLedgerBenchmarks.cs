using BenchmarkDotNet.Attributes;
using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;

namespace Rollout.Benchmarks.Blocks;

/// <summary>The ledger alone: a decode step of 512 sequences, and the hashing of a prompt.</summary>
[MemoryDiagnoser]
public class BlockLedgerBenchmarks
{
    private readonly GrowingBatch _batch = new();
    private readonly StepDemand[] _demands = new StepDemand[GrowingBatch.Steps];
    private readonly int[] _prompt = [.. Enumerable.Range(0, 1024)];

    [IterationSetup(Target = nameof(Reserve))]
    public void Restart()
    {
        _batch.Ledger.Reserve(_batch.Restart());
        for (var i = 0; i < _demands.Length; i++)
            _demands[i] = _batch.NextStep();
    }

    /// <summary>Time and bytes of one step; the bytes are the grant's.</summary>
    [Benchmark(OperationsPerInvoke = GrowingBatch.Steps)]
    public int Reserve()
    {
        var changes = 0;
        foreach (var demand in _demands)
            changes += _batch.Ledger.Reserve(demand).Changes.Length;
        return changes;
    }

    /// <summary>The 64 blocks of a prompt of 1024 tokens.</summary>
    [Benchmark]
    public BlockHash[] HashPrompt() => BlockHash.Chain(_prompt, 16, new PolicyVersion(0));
}
