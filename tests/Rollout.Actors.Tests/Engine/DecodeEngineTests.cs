using FsCheck.Fluent;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Engine;

/// <summary>The engine with the real ledger and a model that notices every wrong block.</summary>
public sealed class DecodeEngineTests
{
    [Fact]
    public void Under_any_pool_and_limits_samples_get_the_tokens_of_plain_recomputation() =>
        Prop.ForAll(EngineScenario.Arbitrary(), scenario =>
        {
            var groups = scenario.Groups();
            var rig = new EngineRig(scenario);
            var outcomes = rig.Run(groups, scenario.StepsBetweenArrivals);
            Assert.Equal(
                groups.Select(group => group.Id.Value), outcomes.Select(outcome => outcome.Id.Value).Order());
            foreach (var outcome in outcomes)
            {
                var group = groups.Single(group => group.Id == outcome.Id);
                Groups.AssertExpected(group, Assert.IsType<GroupFinished>(outcome).Completions);
            }
            Assert.True(rig.Runner.MostTokens <= scenario.MaxNumBatchedTokens);
            Assert.True(rig.Runner.MostRows <= scenario.MaxNumSeqs);
            rig.AssertIdle();
        }).Holds(runs: 300);

    [Fact]
    public void A_prompt_is_computed_once_for_all_samples_of_its_group()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 16, MaxNumBatchedTokens: 64));
        var computed = 0;
        rig.Runner.BeforeStep = (_, batch) =>
            computed += Enumerable.Range(0, batch.TokenCount).Count(i => batch.Positions[i] < 21);

        rig.Run([Groups.Of(1, 21, 3, 3, 3, 3, 3, 3, 3, 3)], stepsBetweenArrivals: 0);

        Assert.Equal(21, computed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void After_a_new_policy_a_prompt_is_computed_once_for_all_samples_of_its_group(int stepsAhead)
    {
        var scenario = new EngineScenario(BlockSize: 4, Blocks: 400, MaxNumSeqs: 16, MaxNumBatchedTokens: 512);
        var rig = new EngineRig(scenario with { StepsAhead = stepsAhead });
        var group = Unstoppable(Groups.Of(1, 40, 20, 20, 20, 20, 20, 20, 20, 20));
        rig.Engine.Add(group);
        for (var i = 0; i < 6; i++)
            rig.Step(reserveAhead: i < 5);
        rig.SwapPolicy(new PolicyVersion(1));
        var (computed, steps) = (0, rig.Runner.Steps);
        rig.Runner.BeforeStep = (_, batch) =>
            computed += Enumerable.Range(0, batch.TokenCount).Count(i => batch.Positions[i] < 40);

        var done = Assert.IsType<GroupFinished>(Assert.Single(rig.Resume(group)));

        Assert.Equal(40, computed);
        Assert.InRange(rig.Runner.Steps - steps, 15, 18);
        Assert.All(done.Completions, completion => Groups.AssertSampledAsSaid(group, completion));
    }

    [Fact]
    public void Long_sequences_whose_tokens_are_cached_return_several_in_one_step()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 400, MaxNumSeqs: 16, MaxNumBatchedTokens: 64));
        var group = Unstoppable(Groups.Of(1, 400, 40, 40, 40, 40, 40, 40, 40));
        rig.Engine.Add(group);
        for (var i = 0; i < 12; i++)
            rig.Step(reserveAhead: i < 11);
        rig.Engine.Add(group, rig.Engine.Recall(group.Id, [1, 2, 3, 4, 5, 6], runningToo: true));
        var returned = new List<int>();
        rig.Runner.BeforeStep = (_, batch) => returned.Add(
            Enumerable.Range(0, batch.RowCount).Count(row => batch.QueryStart[row + 1] - batch.QueryStart[row] > 1));

        var outcomes = rig.Resume(group);

        Assert.Equal([1, 2, 3], returned.Where(rows => rows > 0));
        Groups.AssertExpected(group, Assert.IsType<GroupFinished>(Assert.Single(outcomes)).Completions);
    }

    [Fact]
    public void While_the_pool_is_full_only_the_oldest_prompt_asks_again()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 60, MaxNumSeqs: 8, MaxNumBatchedTokens: 1000));
        rig.Engine.Add(Unstoppable(Groups.Of(1, 200, 30)));
        rig.Step(reserveAhead: false);
        for (var i = 2; i < 6; i++)
            rig.Engine.Add(Groups.Of(i, 100, 4));

        var asked = new List<int>();
        for (var i = 0; i < 3; i++)
        {
            var demand = rig.Engine.Demand()!;
            asked.Add(demand.Admissions.Length);
            rig.Answer(demand);
        }

        Assert.Equal([4, 1, 1], asked);
    }

    [Fact]
    public void A_waiting_group_takes_the_place_of_finished_sequences_while_others_still_run()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 4, MaxNumBatchedTokens: 64));
        var rows = new List<int>();
        rig.Runner.BeforeStep = (_, batch) => rows.Add(batch.DrawCount);

        rig.Run([Groups.Of(1, 5, 30, 2, 2, 2), Groups.Of(2, 5, 20, 20, 20)], stepsBetweenArrivals: 0);

        // The second group runs beside the first one's long sample: 33 steps in all, not 30 + 20.
        Assert.InRange(rows.Count, 30, 34);
    }

    [Fact]
    public void Long_prompts_are_computed_in_chunks_beside_running_sequences()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 200, MaxNumSeqs: 8, MaxNumBatchedTokens: 16));
        var decoding = new List<int>();
        rig.Runner.BeforeStep = (_, batch) => decoding.Add(
            Enumerable.Range(0, batch.RowCount).Count(row => batch.QueryStart[row + 1] - batch.QueryStart[row] == 1));

        rig.Run([Groups.Of(1, 3, 20, 20), Groups.Of(2, 100, 4)], stepsBetweenArrivals: 0);

        Assert.Equal(16, rig.Runner.MostTokens);
        Assert.All(decoding.Skip(1).Take(7), rows => Assert.True(rows >= 2));
    }

    [Fact]
    public void An_aborted_group_gives_its_blocks_back_and_may_come_again()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64));
        var group = Groups.Of(1, 10, 30, 30);
        rig.Engine.Add(group);
        for (var i = 0; i < 5; i++)
            rig.Step();
        rig.Engine.Abort(group.Id);
        rig.Engine.Add(group);

        var outcomes = rig.Resume(group);

        Groups.AssertExpected(group, Assert.IsType<GroupFinished>(Assert.Single(outcomes)).Completions);
        rig.AssertIdle();
    }

    [Fact]
    public void Recalled_samples_go_on_elsewhere_with_the_tokens_of_an_undisturbed_run() =>
        Prop.ForAll(EngineScenario.Arbitrary(), Gen.Choose(0, 20).ToArbitrary(), (scenario, cutAfter) =>
        {
            var groups = scenario.Groups();
            var (first, second) = (new EngineRig(scenario), new EngineRig(scenario));
            Array.ForEach(groups, first.Engine.Add);
            for (var step = 0; step < cutAfter; step++)
                first.Step();
            foreach (var group in groups)
            {
                var left = first.Engine.Recall(group.Id, samples: null, runningToo: true);
                second.Engine.Add(group, left);
            }
            second.Run([], stepsBetweenArrivals: 0);
            first.Run([], stepsBetweenArrivals: 0);

            foreach (var group in groups)
            {
                var completions = first.Samples.Completions(group.Id).Concat(second.Samples.Completions(group.Id))
                    .OrderBy(completion => completion.Sample).ToArray();
                Groups.AssertExpected(group, completions);
            }
            first.AssertIdle();
            second.AssertIdle();
        }).Holds(runs: 100);

    [Fact]
    public void Only_samples_that_wait_are_recalled_unless_running_ones_are_asked_for_too()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 2, MaxNumBatchedTokens: 64));
        var group = Groups.Of(1, 5, 30, 30, 30, 30);
        rig.Engine.Add(group);
        for (var i = 0; i < 4; i++)
            rig.Step();

        Assert.Equal([3], rig.Engine.Recall(group.Id, [0, 3], runningToo: false).Select(start => start.Sample));
        Assert.Equal([2], rig.Engine.Recall(group.Id, null, runningToo: false).Select(start => start.Sample));
        var running = rig.Engine.Recall(group.Id, [1], runningToo: true).Single();

        Assert.Equal(Groups.Expected(group, 1)[..running.Sampled.Tokens.Length], running.Sampled.Tokens);
        Assert.NotEmpty(running.Sampled.Tokens);
        Assert.Equal([0], rig.Engine.Sequences.Select(sequence => sequence.Id.Sample));
        Assert.Empty(rig.Engine.Recall(new GroupId(77), null, runningToo: true));
    }

    [Fact]
    public void After_a_new_policy_sequences_keep_their_tokens_and_name_the_policy_of_each()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64));
        var group = Groups.Of(1, 10, 12);
        rig.Engine.Add(group);
        for (var i = 0; i < 6; i++)
            rig.Step(reserveAhead: i < 5);
        rig.SwapPolicy(new PolicyVersion(1));

        var done = Assert.IsType<GroupFinished>(Assert.Single(rig.Resume(group)));

        var completion = done.Completions[0];
        Assert.Equal([new(default, 0), new(new Policy(Run: 0, new PolicyVersion(1)), completion.Sampled.Versions[1].Start)],
            completion.Sampled.Versions);
        var context = group.Prompt.Concat(completion.Tokens).ToArray();
        for (var i = 0; i < completion.Tokens.Length; i++)
        {
            var version = i < completion.Sampled.Versions[1].Start ? new PolicyVersion(0) : new PolicyVersion(1);
            Assert.Equal(
                FakeModelRunner.Next(context.AsSpan(0, 10 + i), Groups.Key(7, new SequenceId(group.Id, 0)), version),
                completion.Tokens[i]);
        }
    }

    [Fact]
    public void The_static_baseline_shares_nothing_and_computes_finished_rows_along()
    {
        var scenario = new EngineScenario(BlockSize: 40, Blocks: 4, MaxNumSeqs: 4, MaxNumBatchedTokens: 64)
        {
            StaticBatch = true,
        };
        var rig = new EngineRig(scenario);
        var rows = new List<int>();
        rig.Runner.BeforeStep = (_, batch) => rows.Add(batch.RowCount);
        GroupRequest[] groups = [Groups.Of(1, 10, 2, 20, 5, 5), Groups.Of(2, 7, 6, 9)];

        var outcomes = rig.Run(groups, stepsBetweenArrivals: 0);

        foreach (var outcome in outcomes)
        {
            var group = groups.Single(group => group.Id == outcome.Id);
            Groups.AssertExpected(group, Assert.IsType<GroupFinished>(outcome).Completions);
        }
        Assert.Equal(4, rows[18]);
        rig.AssertIdle();
    }

    private static GroupRequest Unstoppable(GroupRequest group) =>
        group with { Samples = [.. group.Samples.Select(sample => sample with { StopTokenIds = [] })] };
}
