using System.Runtime.CompilerServices;
using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Blocks;

public sealed class LedgerAllocationTests
{
    private const int Sequences = 512;
    private const int Prompt = 30;
    private const int GrantBytes = 128;
    private const int ArrayHeaderBytes = 24;

    [Fact]
    public void A_step_of_512_growing_sequences_allocates_its_grant_and_nothing_else()
    {
        var ledger = new BlockLedger(new KvCacheGeometry(8192, 16), new PolicyVersion(0)) { Audited = false };
        ledger.Reserve(Demand([], [.. Enumerable.Range(0, Sequences / 8).Select(Admission)]));

        // Once around, so that every buffer has its size: copies at the first token, appended blocks at
        // others.
        var length = Prompt;
        for (; length < 100; length++)
            ledger.Reserve(Demand(Growth(length + 1), []));

        for (; length < 200; length++)
        {
            var demand = Demand(Growth(length + 1), []);
            var before = GC.GetAllocatedBytesForCurrentThread();
            var grant = ledger.Reserve(demand);
            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            var changes = grant.Changes.Length == 0
                ? 0
                : ArrayHeaderBytes + (grant.Changes.Length * Unsafe.SizeOf<TableChange>());
            Assert.Equal(length % 16 == 0 ? Sequences : 0, grant.Changes.Length);
            Assert.InRange(allocated, changes, changes + GrantBytes);
        }
    }

    private static AdmissionRequest Admission(int group) => new(
        [.. Enumerable.Range(0, 8).Select(sample => new SequenceId(new GroupId(group), sample))],
        default,
        Enumerable.Range(group * 1000, Prompt).ToArray(),
        MaxLength: 256);

    private static SequenceGrowth[] Growth(int tokens) => [.. Enumerable.Range(0, Sequences)
        .Select(index => new SequenceGrowth(new SequenceId(new GroupId(index / 8), index % 8), default, tokens))];

    private static StepDemand Demand(SequenceGrowth[] growth, AdmissionRequest[] admissions) => new()
    {
        Step = 0,
        Version = new PolicyVersion(0),
        Written = [],
        Releases = [],
        Growth = growth,
        Admissions = admissions,
    };
}
