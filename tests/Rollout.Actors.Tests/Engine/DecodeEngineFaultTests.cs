using FsCheck.Fluent;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Engine;

/// <summary>Steps that fail, and groups that can never run.</summary>
public sealed class DecodeEngineFaultTests
{
    [Fact]
    public void Steps_that_fail_at_random_cost_time_and_seldom_a_group_which_says_so()
    {
        var (all, given) = (0, 0);
        Prop.ForAll(EngineScenario.Arbitrary(), Gen.Choose(5, 12).ToArbitrary(), (drawn, every) =>
        {
            var scenario = drawn with { MaxNumBatchedTokens = 200 };     // a prompt needs one step, not five
            var groups = scenario.Groups();
            var rig = new EngineRig(scenario);
            rig.Runner.BeforeStep = (step, _) =>
            {
                if (step % every == 0)
                    throw new InvalidOperationException("the step failed");
            };
            var outcomes = rig.Run(groups, scenario.StepsBetweenArrivals);
            Assert.Equal(
                groups.Select(group => group.Id.Value), outcomes.Select(outcome => outcome.Id.Value).Order());
            foreach (var outcome in outcomes)
            {
                all++;
                if (outcome is GroupFinished finished)
                    Groups.AssertExpected(groups.Single(group => group.Id == outcome.Id), finished.Completions);
                else
                    Assert.EndsWith("failed in 3 steps: the step failed", ((GroupFailed)outcome).Reason);
                given += outcome is GroupFailed ? 1 : 0;
            }
            rig.AssertIdle();
        }).Holds(runs: 100);

        Assert.True(given * 20 < all, $"{given} of {all} groups failed");
    }

    [Fact]
    public void A_sequence_that_always_fails_its_step_fails_its_own_group_only()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 200, MaxNumSeqs: 32, MaxNumBatchedTokens: 64));
        var groups = Enumerable.Range(0, 4).Select(i => Groups.Of(i, 9 + i, 5, 6)).ToArray();
        rig.Runner.BeforeStep = (_, batch) =>
        {
            for (var i = 0; i < batch.TokenCount; i++)
            {
                if (batch.TokenIds[i] == groups[2].Prompt[3] && batch.Positions[i] == 3)
                    throw new InvalidOperationException("poisoned");
            }
        };

        var outcomes = rig.Run(groups, stepsBetweenArrivals: 0);

        var failed = Assert.IsType<GroupFailed>(outcomes.Single(outcome => outcome.Id == groups[2].Id));
        Assert.Contains("poisoned", failed.Reason);
        Assert.Equal(3, outcomes.OfType<GroupFinished>().Count());
        rig.AssertIdle();
    }

    [Fact]
    public void A_prompt_whose_third_chunk_always_fails_is_given_up()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 200, MaxNumSeqs: 8, MaxNumBatchedTokens: 16));
        rig.Runner.BeforeStep = (_, batch) =>
        {
            if (batch.ContextLengths.AsSpan(0, batch.RowCount).Contains(48))
                throw new InvalidOperationException("poisoned");
        };

        var outcomes = rig.Run([Groups.Of(1, 100, 4)], stepsBetweenArrivals: 0);

        Assert.Contains("poisoned", Assert.IsType<GroupFailed>(Assert.Single(outcomes)).Reason);
        rig.AssertIdle();
    }

    [Fact]
    public void A_sequence_that_can_never_fit_the_pool_is_refused_at_once_with_the_numbers()
    {
        var rig = new EngineRig(new EngineScenario(BlockSize: 4, Blocks: 5, MaxNumSeqs: 8, MaxNumBatchedTokens: 64));

        var outcomes = rig.Run([Groups.Of(1, 15, 6), Groups.Of(2, 10, 6)], stepsBetweenArrivals: 0);

        var refused = Assert.IsType<GroupFailed>(outcomes.Single(outcome => outcome.Id.Value == 1));
        Assert.Contains("6 blocks", refused.Reason);
        Assert.Contains("5", refused.Reason);
        Assert.IsType<GroupFinished>(outcomes.Single(outcome => outcome.Id.Value == 2));
    }

    [Fact]
    public void A_sequence_longer_than_the_model_is_refused_before_it_waits()
    {
        using var engine = Small();

        engine.Add(Groups.Of(1, 15, 6));

        Assert.Contains("20 tokens", Assert.IsType<SamplesFailed>(engine.TakeOutcomes().Single()).Reason);
        Assert.Null(engine.Demand());
    }

    [Fact]
    public void A_group_with_stop_texts_is_refused_where_no_tokenizer_can_find_them()
    {
        var group = Groups.Of(1, 5, 6);
        group = group with { Samples = [group.Samples[0] with { StopTexts = ["end"] }] };
        using var engine = Small();

        engine.Add(group);

        Assert.Contains("no tokenizer", Assert.IsType<SamplesFailed>(engine.TakeOutcomes().Single()).Reason);
    }

    [Fact]
    public void No_request_makes_it_throw_and_each_bad_one_fails_with_a_sentence()
    {
        var good = Groups.Of(1, 5, 6);
        var sampling = good.Samples[0];
        Refused(good with { Prompt = [] }, "no tokens");
        Refused(good with { Samples = [] }, "no samples");
        Refused(good with { Prompt = [1, 1000] }, "vocabulary");
        Refused(good with { Prompt = [1, -1] }, "token ids are at least 0");
        Refused(good with { Samples = [sampling with { MaxTokens = 0 }] }, "max-tokens");
        Refused(good with { Samples = [sampling with { MaxTokens = int.MaxValue }] }, "exceed the longest");
        Refused(good with { Samples = [sampling with { StopTexts = [""] }] }, "a stop text is empty");
        Refused(good with { Samples = [sampling with { Temperature = float.NaN }] }, "temperature");
        Refused(good, "sample 1 is not among", SampleStart.New(1));
        Refused(good, "sample -1 is not among", SampleStart.New(-1));
        Refused(good, "7 tokens", Start(new int[7]));
        Refused(good, "outside of the vocabulary", Start([5000]));
        Refused(good, "outside of the vocabulary", Start([-3]));

        static SampleStart Start(int[] tokens) => new(0, new SampledTokens(tokens, new float[tokens.Length], []));

        static void Refused(GroupRequest group, string reason, params SampleStart[] starts)
        {
            using var engine = Small();
            engine.Add(group, starts is [] ? [SampleStart.New(0)] : starts);
            Assert.Contains(reason, Assert.IsType<SamplesFailed>(engine.TakeOutcomes().Single()).Reason);
            Assert.Null(engine.Demand());
        }
    }

    private static DecodeEngine Small() => new(
        new FakeModelRunner(new KvCacheGeometry(10, 4)),
        new EngineLimits { MaxNumSeqs = 4, MaxNumBatchedTokens = 16, MaxModelLength = 20, MaxStepRetries = 2 });
}
