using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Engine;

/// <summary>A pool, what a step may hold, and groups that arrive.</summary>
internal sealed record EngineScenario(int BlockSize, int Blocks, int MaxNumSeqs, int MaxNumBatchedTokens)
{
    public bool StaticBatch { get; init; }

    public int StepsAhead { get; init; } = 1;

    public int MaxCopies { get; init; } = int.MaxValue;

    public int StepsBetweenArrivals { get; init; }

    public int Seed { get; init; }

    /// <summary>Pools from hardly one sequence to plenty, so that waiting and preemption are common.</summary>
    public static Arbitrary<EngineScenario> Arbitrary() => (
        from blockSize in Gen.Elements(1, 2, 4, 16)
        from spare in Gen.Choose(0, 60)
        from seqs in Gen.Choose(1, 12)
        from tokens in Gen.Choose(0, 40)
        from between in Gen.Choose(0, 6)
        from ahead in Gen.Choose(1, 2)
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select new EngineScenario(blockSize, (60 / blockSize) + 1 + spare, seqs, seqs + tokens)
        {
            StepsBetweenArrivals = between,
            StepsAhead = ahead,
            Seed = seed,
        }).ToArbitrary();

    public GroupRequest[] Groups()
    {
        var random = new Random(Seed);
        return [.. Enumerable.Range(0, random.Next(1, 7)).Select(i => Support.Groups.Of(
            random.Next(4) == 0 ? 500 : i,
            random.Next(1, 40),
            [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => random.Next(1, 20))]) with
        {
            Id = new GroupId(i),
        })];
    }
}
