using System.Runtime.InteropServices;
using Rollout.Actors.Blocks;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Engine;

/// <summary>How the engine is run, and what it keeps under way.</summary>
public sealed class DecodeEngineRunTests
{
    [Fact]
    public void A_stranger_runs_it_without_an_actor_system()
    {
        var runner = new FakeModelRunner(new KvCacheGeometry(BlockCount: 100, BlockSize: 4));
        var ledger = new BlockLedger(runner.Geometry, runner.Version);
        using var engine = new DecodeEngine(runner, new EngineLimits
        {
            MaxNumSeqs = 8,
            MaxNumBatchedTokens = 64,
            MaxModelLength = 100,
            MaxStepRetries = 2,
        });
        engine.Add(Groups.Of(1, 10, 20));

        while (engine.Demand() is { } demand)
            engine.Run(ledger.Reserve(demand));

        var finished = Assert.IsType<SampleFinished>(Assert.Single(engine.TakeOutcomes()));
        Groups.AssertExpected(Groups.Of(1, 10, 20), [finished.Completion]);
    }

    [Fact]
    public void A_device_with_room_for_two_steps_has_the_next_one_before_the_first_is_awaited()
    {
        var rig = new EngineRig(
            new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64) { StepsAhead = 2 });
        var group = Groups.Of(1, 10, 20);
        rig.Engine.Add(group with { Samples = [group.Samples[0] with { StopTokenIds = [] }] });

        var underWay = new List<int>();
        while (rig.Step())
            underWay.Add(rig.Runner.StepsUnderWay);

        Assert.Equal(20, rig.Runner.Steps);
        Assert.All(underWay[..19], steps => Assert.Equal(1, steps));
        Assert.Equal(2, rig.Runner.MostStepsUnderWay);
    }

    [Fact]
    public void Tokens_drawn_for_a_sequence_that_had_ended_are_not_counted()
    {
        var rig = new EngineRig(
            new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64) { StepsAhead = 2 });
        var group = Groups.Of(1, 10, 20);
        var all = Groups.Expected(group with { Samples = [group.Samples[0] with { StopTokenIds = [] }] }, sample: 0);
        var stopped = group with { Samples = [group.Samples[0] with { StopTokenIds = [all[4]] }] };

        var finished = Assert.IsType<GroupFinished>(Assert.Single(rig.Run([stopped], stepsBetweenArrivals: 0)));

        Assert.True(rig.Runner.Steps > finished.Completions[0].Tokens.Length);
        Assert.Equal(finished.Completions[0].Tokens.Length, rig.Engine.ReadStats(reset: false).NewTokens);
    }

    [Fact]
    public void Nothing_is_under_way_where_no_step_is_reserved_ahead()
    {
        var rig = new EngineRig(
            new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64) { StepsAhead = 2 });
        rig.Engine.Add(Groups.Of(1, 10, 20));
        rig.Step();
        Assert.True(rig.Engine.IsDemandOut);

        rig.Step(reserveAhead: false);

        Assert.False(rig.Engine.IsDemandOut);
        Assert.Equal(0, rig.Runner.StepsUnderWay);
    }

    [Fact]
    public void A_policy_is_not_swapped_under_a_step_that_is_still_to_run()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64));
        rig.Engine.Add(Groups.Of(1, 10, 20));
        rig.Step();

        Assert.Throws<InvalidOperationException>(() => rig.Engine.SwapPolicy(new Policy(Run: 1, default)));
    }

    [Fact]
    public void It_runs_no_more_sequences_than_its_device_copies_blocks_in_a_step()
    {
        var scenario = new EngineScenario(BlockSize: 4, Blocks: 400, MaxNumSeqs: 32, MaxNumBatchedTokens: 64) { MaxCopies = 6 };
        var rig = new EngineRig(scenario);
        var group = Groups.Of(1, 6, [.. Enumerable.Repeat(9, 20)]);

        var outcomes = rig.Run([group], stepsBetweenArrivals: 0);

        Assert.Equal(6, rig.Engine.Limits.MaxNumSeqs);
        Groups.AssertExpected(group, Assert.IsType<GroupFinished>(Assert.Single(outcomes)).Completions);
        Assert.InRange(rig.Runner.MostCopies, 1, 6);
    }

    [Fact]
    public void A_grant_that_grows_a_sequence_in_a_step_without_rows_throws()
    {
        var rig = new EngineRig(
            new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64) { StepsAhead = 2 });
        rig.Engine.Add(Groups.Of(1, 10, 1));
        StepDemand? next = null;
        rig.Answer(rig.Engine.Demand()!, demand => next = demand);
        var grown = new TableChange(new SequenceId(new GroupId(1), 0), Index: 3, new BlockId(50));

        var grant = new StepGrant
        {
            Step = next!.Step,
            Changes = [grown],
            Copies = [],
            Preempted = [],
            Answers = [],
            Usage = default,
        };
        var thrown = Assert.Throws<InvalidOperationException>(() => rig.Engine.Run(grant));

        Assert.Contains("has no rows", thrown.Message);
    }

    [Fact]
    public void A_sample_that_arrives_with_a_stop_token_is_finished_at_that_token()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64));

        rig.Engine.Add(Groups.Of(1, 10, 3), [new(0, new SampledTokens([13, 5, 6], new float[3], []))]);

        var finished = Assert.IsType<SampleFinished>(Assert.Single(rig.Engine.TakeOutcomes()));
        Assert.Equal(FinishReason.Stop, finished.Completion.Reason);
    }

    [Fact]
    public void A_prompt_that_has_no_room_is_not_copied_while_it_waits()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 60, MaxNumSeqs: 8, MaxNumBatchedTokens: 1000));
        rig.Engine.Add(Groups.Of(1, 200, 30));
        rig.Step(reserveAhead: false);
        rig.Engine.Add(Groups.Of(2, 200, 30));

        var arrays = new List<int[]?>();
        for (var i = 0; i < 3; i++)
        {
            var demand = rig.Engine.Demand()!;
            Assert.True(MemoryMarshal.TryGetArray(Assert.Single(demand.Admissions).Tokens, out var tokens));
            arrays.Add(tokens.Array);
            rig.Answer(demand);
        }

        Assert.All(arrays, array => Assert.Same(arrays[0], array));
    }
}
