using Akka.Actor;
using Akka.TestKit.Xunit2;
using Rollout.Actors.Blocks;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

public sealed class BlockAllocatorActorTests : TestKit
{
    private static SequenceId Sequence => new(new GroupId(1), 0);

    [Fact]
    public void Answers_each_demand_with_its_grant_in_the_order_of_asking()
    {
        var allocator = Allocator(blocks: 64);
        Ask(allocator, Demand(1) with { Admissions = [new([Sequence], default, new[] { 1, 2, 3 }, 200)] });
        for (var step = 2; step <= 100; step++)
            Ask(allocator, Demand(step) with { Growth = [new(Sequence, default, step + 2)] });

        var granted = Assert.IsType<AdmissionAnswer.Granted>(ExpectMsg<BlocksReserved>().Grant.Answers[0]);
        var table = granted.Blocks.ToList();
        for (var step = 2; step <= 100; step++)
        {
            var grant = ExpectMsg<BlocksReserved>().Grant;
            Assert.Equal(step, grant.Step);
            foreach (var change in grant.Changes)
            {
                Assert.Equal(table.Count, change.Index);
                table.Add(change.Block);
            }

            Assert.Equal((step + 2 + 3) / 4, table.Distinct().Count());
        }
    }

    [Fact]
    public async Task Concurrent_askers_never_hold_one_block_twice()
    {
        var allocator = Allocator(blocks: 64);
        var probes = Enumerable.Range(0, 8).Select(_ => CreateTestProbe()).ToArray();
        await Task.WhenAll(probes.Select((probe, asker) => Task.Run(() =>
        {
            for (var step = 0; step < 8; step++)
            {
                var sequence = new SequenceId(new GroupId(asker), step);
                var demand = Demand(step) with { Admissions = [new([sequence], default, new[] { 1 }, 8)] };
                allocator.Tell(new ReserveBlocks(demand), probe);
            }
        })));

        var blocks = new List<BlockId>();
        var deferred = 0;
        foreach (var probe in probes)
        {
            for (var step = 0; step < 8; step++)
            {
                var answer = (await probe.ExpectMsgAsync<BlocksReserved>()).Grant.Answers[0];
                if (answer is AdmissionAnswer.Granted granted)
                    blocks.AddRange(granted.Blocks);
                else
                    deferred++;
            }
        }

        // The last one is short of its block of headroom.
        Assert.Equal((63, 63, 1), (blocks.Count, blocks.Distinct().Count(), deferred));
        allocator.Tell(new QueryLedger(), TestActor);
        var report = await ExpectMsgAsync<LedgerReport>();
        Assert.Equal(new LedgerReport(new PoolUsage(64, 1, 0, 63, 63), 63, null), report);
    }

    [Fact]
    public void Answers_a_policy_update_after_which_nothing_old_is_hit()
    {
        var allocator = Allocator(blocks: 8);
        int[] prompt = [1, 2, 3, 4, 5];
        Ask(allocator, Demand(1) with { Admissions = [new([Sequence], default, prompt, 8)] });
        Ask(allocator, Demand(2) with { Written = [new(Sequence, default, 5)], Releases = [new(Sequence, default)] });
        allocator.Tell(new ResetPrefixCache(new PolicyVersion(1)), TestActor);
        var later = Demand(3) with { Version = new PolicyVersion(1) };
        Ask(allocator, later with { Admissions = [new([Sequence], new AdmissionId(1), prompt, 8)] });

        ExpectMsg<BlocksReserved>();
        Assert.Equal(1, ExpectMsg<BlocksReserved>().Grant.Usage.Cached);
        Assert.Equal(new PrefixCacheReset(new PolicyVersion(1)), ExpectMsg<PrefixCacheReset>());
        var granted = Assert.IsType<AdmissionAnswer.Granted>(ExpectMsg<BlocksReserved>().Grant.Answers[0]);
        Assert.Equal(0, granted.CachedTokens);
    }

    [Fact]
    public void A_demand_under_another_policy_fails_the_actor_and_its_parent_hears_both_versions()
    {
        var allocator = Allocator(blocks: 8);
        const string Reason = "step 5 computes under policy 3 but the ledger is at policy 0";
        EventFilter.Exception<InvalidOperationException>(Reason).ExpectOne(
            () => Ask(allocator, Demand(5) with { Version = new PolicyVersion(3) }));
    }

    private IActorRef Allocator(int blocks)
    {
        var ledger = new BlockLedger(new KvCacheGeometry(blocks, 4), new PolicyVersion(0)) { Audited = true };
        return Sys.ActorOf(Props.Create(() => new BlockAllocatorActor(ledger)));
    }

    private void Ask(IActorRef allocator, StepDemand demand) =>
        allocator.Tell(new ReserveBlocks(demand), TestActor);

    private static StepDemand Demand(long step) => new()
    {
        Step = step,
        Version = new PolicyVersion(0),
        Written = [],
        Releases = [],
        Growth = [],
        Admissions = [],
    };
}
