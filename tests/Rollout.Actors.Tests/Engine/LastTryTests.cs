using FsCheck.Fluent;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Engine;

/// <summary>What a sequence that fails its steps costs the others.</summary>
public sealed class LastTryTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void After_a_poisoned_neighbour_is_gone_the_others_run_together_again(int stepsAhead)
    {
        var rig = Rig(stepsAhead);
        var groups = Enumerable.Range(0, 9).Select(i => Unstoppable(i, samples: 4, maxTokens: 200)).ToArray();
        var steps = 0;
        rig.Runner.BeforeStep = (_, batch) =>
        {
            steps++;
            for (var i = 0; i < batch.TokenCount; i++)
            {
                if (batch.Positions[i] == 0 && batch.TokenIds[i] == groups[4].Prompt[0])
                    throw new InvalidOperationException("poisoned");
            }
        };

        var outcomes = rig.Run(groups, stepsBetweenArrivals: 0);

        Assert.Contains("poisoned", AssertOnlyOneFailed(groups, outcomes, failed: 4));
        // 200 steps without the fault, two that failed, and one for the last try of each group.
        Assert.InRange(steps, 200, 220);
        rig.AssertIdle();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_draw_that_fails_costs_only_its_own_group(int stepsAhead)
    {
        var rig = Rig(stepsAhead);
        var groups = Enumerable.Range(0, 5).Select(i => Unstoppable(i, samples: 3, maxTokens: 60)).ToArray();
        var key = Groups.Key(groups[2].Samples[1].Seed, new SequenceId(groups[2].Id, 1));
        var prefilled = 0;
        rig.Runner.FaultyDraws = batch => Enumerable.Range(0, batch.DrawCount)
            .Where(draw => batch.Draws[draw].Key == key && batch.Draws[draw].Position == 30);
        rig.Runner.BeforeStep = (_, batch) => prefilled += Enumerable.Range(0, batch.RowCount)
            .Sum(row => batch.QueryStart[row + 1] - batch.QueryStart[row] is > 1 and var tokens ? tokens : 0);

        var outcomes = rig.Run(groups, stepsBetweenArrivals: 0);

        Assert.Equal(
            "group 2 sample 1 failed in 2 steps: broken logits", AssertOnlyOneFailed(groups, outcomes, failed: 2));
        Assert.InRange(rig.Runner.Steps, 60, 66);
        // Five prompts of 9 tokens, and the failed sample's 30 tokens once more: nobody else starts over.
        Assert.InRange(prefilled, 45, 45 + 30);
        rig.AssertIdle();
    }

    [Fact]
    public void Samples_of_other_groups_are_right_whichever_group_is_poisoned() =>
        Prop.ForAll(EngineScenario.Arbitrary(), Gen.Choose(0, 5).ToArbitrary(), (drawn, poisoned) =>
        {
            var scenario = drawn with { MaxNumBatchedTokens = 200 };
            var groups = scenario.Groups();
            var victim = groups[poisoned % groups.Length].Id;
            var keys = Enumerable.Range(0, 5).Select(sample => Groups.Key(7, new SequenceId(victim, sample))).ToHashSet();
            var rig = new EngineRig(scenario);
            rig.Runner.BeforeStep = (_, batch) =>
            {
                if (batch.Draws.Take(batch.DrawCount).Any(draw => keys.Contains(draw.Key)))
                    throw new InvalidOperationException("poisoned");
            };

            var outcomes = rig.Run(groups, scenario.StepsBetweenArrivals);

            AssertOnlyOneFailed(groups, outcomes, victim.Value);
            if (scenario.StepsAhead == 1)
                Assert.All(rig.Faults, fault => Assert.Equal("poisoned", fault.Message));
            rig.AssertIdle();
        }).Holds(runs: 100);

    private static EngineRig Rig(int stepsAhead) => new(
        new EngineScenario(BlockSize: 4, Blocks: 4000, MaxNumSeqs: 64, MaxNumBatchedTokens: 512) { StepsAhead = stepsAhead });

    private static GroupRequest Unstoppable(int id, int samples, int maxTokens)
    {
        var group = Groups.Of(id, 9, [.. Enumerable.Repeat(maxTokens, samples)]);
        return group with { Samples = [.. group.Samples.Select(sample => sample with { StopTokenIds = [] })] };
    }

    /// <summary>Returns why it failed.</summary>
    private static string AssertOnlyOneFailed(GroupRequest[] groups, List<GroupOutcome> outcomes, long failed)
    {
        foreach (var group in groups.Where(group => group.Id.Value != failed))
        {
            var finished = Assert.IsType<GroupFinished>(outcomes.Single(outcome => outcome.Id == group.Id));
            Groups.AssertExpected(group, finished.Completions);
        }
        return Assert.IsType<GroupFailed>(outcomes.Single(outcome => outcome.Id.Value == failed)).Reason;
    }
}
