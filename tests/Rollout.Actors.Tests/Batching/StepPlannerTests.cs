using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Batching;
using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Batching;

/// <summary>The planner with the real ledger and a model that notices every wrong block.</summary>
public sealed class StepPlannerTests
{
    [Fact]
    public void Whatever_the_pool_the_limits_and_the_arrivals_every_sample_gets_the_tokens_of_plain_recomputation() =>
        Prop.ForAll(Scenario.Arbitrary(), scenario =>
        {
            var groups = scenario.Groups();
            var rig = new Rig(scenario);
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
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));

    [Fact]
    public void Steps_that_fail_at_random_cost_time_and_only_where_luck_strikes_thrice_a_group_that_says_so()
    {
        var (all, given) = (0, 0);
        Prop.ForAll(Scenario.Arbitrary(), Gen.Choose(5, 12).ToArbitrary(), (drawn, every) =>
        {
            var scenario = drawn with { MaxNumBatchedTokens = 200 };     // a prompt needs one step, not five
            var groups = scenario.Groups();
            var rig = new Rig(scenario);
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
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(100));

        Assert.True(given * 20 < all, $"{given} of {all} groups failed");
    }

    [Fact]
    public void A_sequence_that_always_fails_its_step_fails_its_own_group_only()
    {
        var rig = new Rig(new Scenario(BlockSize: 4, Blocks: 200, MaxNumSeqs: 32, MaxNumBatchedTokens: 64));
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
        var rig = new Rig(new Scenario(BlockSize: 4, Blocks: 200, MaxNumSeqs: 8, MaxNumBatchedTokens: 16));
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
    public void A_prompt_is_computed_once_for_all_samples_of_its_group()
    {
        var rig = new Rig(new Scenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 16, MaxNumBatchedTokens: 64));
        var computed = 0;
        rig.Runner.BeforeStep = (_, batch) =>
            computed += Enumerable.Range(0, batch.TokenCount).Count(i => batch.Positions[i] < 21);

        rig.Run([Groups.Of(1, 21, 3, 3, 3, 3, 3, 3, 3, 3)], stepsBetweenArrivals: 0);

        Assert.Equal(21, computed);
    }

    [Fact]
    public void A_waiting_group_takes_the_place_of_finished_sequences_while_others_still_run()
    {
        var rig = new Rig(new Scenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 4, MaxNumBatchedTokens: 64));
        var rows = new List<int>();
        rig.Runner.BeforeStep = (_, batch) => rows.Add(batch.DrawCount);

        rig.Run([Groups.Of(1, 5, 30, 2, 2, 2), Groups.Of(2, 5, 20, 20, 20)], stepsBetweenArrivals: 0);

        // The second group runs beside the first one's long sample: 33 steps in all, not 30 + 20.
        Assert.InRange(rows.Count, 30, 34);
    }

    [Fact]
    public void Long_prompts_are_computed_in_chunks_beside_running_sequences()
    {
        var rig = new Rig(new Scenario(BlockSize: 4, Blocks: 200, MaxNumSeqs: 8, MaxNumBatchedTokens: 16));
        var decoding = new List<int>();
        rig.Runner.BeforeStep = (_, batch) => decoding.Add(
            Enumerable.Range(0, batch.RowCount).Count(row => batch.QueryStart[row + 1] - batch.QueryStart[row] == 1));

        rig.Run([Groups.Of(1, 3, 20, 20), Groups.Of(2, 100, 4)], stepsBetweenArrivals: 0);

        Assert.Equal(16, rig.Runner.MostTokens);
        Assert.All(decoding.Skip(1).Take(7), rows => Assert.True(rows >= 2));
    }

    [Fact]
    public void A_sequence_that_can_never_fit_the_pool_is_refused_at_once_with_the_numbers()
    {
        var rig = new Rig(new Scenario(BlockSize: 4, Blocks: 5, MaxNumSeqs: 8, MaxNumBatchedTokens: 64));

        var outcomes = rig.Run([Groups.Of(1, 15, 6), Groups.Of(2, 10, 6)], stepsBetweenArrivals: 0);

        var refused = Assert.IsType<GroupFailed>(outcomes.Single(outcome => outcome.Id.Value == 1));
        Assert.Contains("6 blocks", refused.Reason);
        Assert.Contains("5", refused.Reason);
        Assert.IsType<GroupFinished>(outcomes.Single(outcome => outcome.Id.Value == 2));
    }

    [Fact]
    public void A_sequence_longer_than_the_model_is_refused_before_it_waits()
    {
        var planner = new StepPlanner(
            new PlannerLimits { MaxNumSeqs = 4, MaxNumBatchedTokens = 16, MaxModelLength = 20, MaxStepRetries = 2 },
            new KvCacheGeometry(10, 4),
            Groups.Key);

        planner.Add(Groups.Of(1, 15, 6));

        Assert.Contains("20 tokens", Assert.IsType<SamplesFailed>(planner.TakeOutcomes().Single()).Reason);
        Assert.False(planner.HasWork);
    }

    [Fact]
    public void A_group_with_stop_texts_is_refused_where_no_tokenizer_can_find_them()
    {
        var group = Groups.Of(1, 5, 6);
        group = group with { Samples = [group.Samples[0] with { StopTexts = ["end"] }] };
        var planner = new StepPlanner(
            new PlannerLimits { MaxNumSeqs = 4, MaxNumBatchedTokens = 16, MaxModelLength = 20, MaxStepRetries = 2 },
            new KvCacheGeometry(10, 4),
            Groups.Key);

        planner.Add(group);

        Assert.Contains("no tokenizer", Assert.IsType<SamplesFailed>(planner.TakeOutcomes().Single()).Reason);
    }

    [Fact]
    public void An_aborted_group_gives_its_blocks_back_and_may_come_again()
    {
        var rig = new Rig(new Scenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64));
        var group = Groups.Of(1, 10, 30, 30);
        rig.Planner.Add(group);
        for (var i = 0; i < 5; i++)
            rig.Step();
        rig.Planner.Abort(group.Id);
        rig.Planner.Add(group);

        var outcomes = rig.Resume(group);

        Groups.AssertExpected(group, Assert.IsType<GroupFinished>(Assert.Single(outcomes)).Completions);
        rig.AssertIdle();
    }

    [Fact]
    public void Samples_that_were_cut_off_anywhere_go_on_elsewhere_with_the_tokens_of_an_undisturbed_run() =>
        Prop.ForAll(Scenario.Arbitrary(), Gen.Choose(0, 20).ToArbitrary(), (scenario, cutAfter) =>
        {
            var groups = scenario.Groups();
            var (first, second) = (new Rig(scenario), new Rig(scenario));
            Array.ForEach(groups, first.Planner.Add);
            for (var step = 0; step < cutAfter; step++)
                first.Step();
            foreach (var group in groups)
            {
                var left = first.Planner.Recall(group.Id, samples: null, runningToo: true);
                second.Planner.Add(group, left);
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
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(100));

    [Fact]
    public void Only_samples_that_wait_are_recalled_unless_running_ones_are_asked_for_too()
    {
        var rig = new Rig(new Scenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 2, MaxNumBatchedTokens: 64));
        var group = Groups.Of(1, 5, 30, 30, 30, 30);
        rig.Planner.Add(group);
        for (var i = 0; i < 4; i++)
            rig.Step();

        Assert.Equal([3], rig.Planner.Recall(group.Id, [0, 3], runningToo: false).Select(start => start.Sample));
        Assert.Equal([2], rig.Planner.Recall(group.Id, null, runningToo: false).Select(start => start.Sample));
        var running = rig.Planner.Recall(group.Id, [1], runningToo: true).Single();

        Assert.Equal(Groups.Expected(group, 1)[..running.Tokens.Length], running.Tokens);
        Assert.NotEmpty(running.Tokens);
        Assert.Equal([0], rig.Planner.Sequences.Select(sequence => sequence.Id.Sample));
        Assert.Empty(rig.Planner.Recall(new GroupId(77), null, runningToo: true));
    }

    [Fact]
    public void After_a_new_policy_sequences_start_over_from_their_tokens_and_say_which_policy_sampled_which()
    {
        var rig = new Rig(new Scenario(BlockSize: 4, Blocks: 100, MaxNumSeqs: 8, MaxNumBatchedTokens: 64));
        var group = Groups.Of(1, 10, 12);
        rig.Planner.Add(group);
        for (var i = 0; i < 6; i++)
            rig.Step(reserveAhead: i < 5);
        rig.Planner.RequeueAll();
        rig.Update(new PolicyVersion(1));

        var done = Assert.IsType<GroupFinished>(Assert.Single(rig.Resume(group)));

        var completion = done.Completions[0];
        Assert.Equal([new(new PolicyVersion(0), 0), new(new PolicyVersion(1), completion.Versions[1].Start)],
            completion.Versions);
        var context = group.Prompt.Concat(completion.Tokens).ToArray();
        for (var i = 0; i < completion.Tokens.Length; i++)
        {
            var version = i < completion.Versions[1].Start ? new PolicyVersion(0) : new PolicyVersion(1);
            Assert.Equal(
                FakeModelRunner.Next(context.AsSpan(0, 10 + i), Groups.Key(7, new SequenceId(group.Id, 0)), version),
                completion.Tokens[i]);
        }
    }

    [Fact]
    public void The_static_baseline_shares_nothing_and_computes_finished_rows_along()
    {
        var scenario = new Scenario(BlockSize: 40, Blocks: 4, MaxNumSeqs: 4, MaxNumBatchedTokens: 64)
        {
            StaticBatch = true,
        };
        var rig = new Rig(scenario);
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

    /// <summary>A planner, its ledger and its model, driven without actors but one demand ahead, as the decoder does.</summary>
    private sealed class Rig
    {
        private readonly BlockLedger _ledger;
        private StepGrant? _grant;

        public Rig(Scenario scenario)
        {
            var geometry = new KvCacheGeometry(scenario.Blocks, scenario.BlockSize);
            _ledger = new BlockLedger(geometry, default, prefixCaching: !scenario.StaticBatch) { Audited = true };
            Runner = new FakeModelRunner(geometry) { StepsAhead = scenario.StepsAhead };
            Planner = new StepPlanner(
                new PlannerLimits
                {
                    MaxNumSeqs = scenario.MaxNumSeqs,
                    MaxNumBatchedTokens = scenario.MaxNumBatchedTokens,
                    MaxModelLength = scenario.BlockSize * (scenario.StaticBatch ? 1 : 1000),
                    MaxStepRetries = 2,
                    StaticBatch = scenario.StaticBatch,
                },
                geometry,
                Groups.Key);
        }

        public StepPlanner Planner { get; }

        public FakeModelRunner Runner { get; }

        public SampleCollector Samples { get; } = new();

        public List<GroupOutcome> Run(GroupRequest[] groups, int stepsBetweenArrivals)
        {
            var next = 0;
            for (var step = 0; next < groups.Length || Planner.HasWork || Planner.IsDemandOut; step++)
            {
                Assert.True(step < 20_000, "no end in sight");
                while (next < groups.Length && step >= next * stepsBetweenArrivals)
                    Planner.Add(groups[next++]);
                Step();
            }
            Samples.Add(Planner.TakeOutcomes());
            Assert.Equal(0, Planner.StepsUnderWay);
            return Samples.Groups(groups);
        }

        /// <summary>Runs on with a group that is there already.</summary>
        public List<GroupOutcome> Resume(GroupRequest group)
        {
            Run([], stepsBetweenArrivals: 0);
            return Samples.Groups([group]);
        }

        public void Step(bool reserveAhead = true)
        {
            Reserve();
            if (_grant is null)
                return;
            var batch = Planner.Plan(_grant);
            _grant = null;
            if (reserveAhead)
                Reserve();
            if (batch.RowCount > 0)
                Start(batch);
            var mayStay = batch.RowCount > 0 && reserveAhead && Planner.IsDemandOut ? Runner.StepsAhead - 1 : 0;
            while (Planner.StepsUnderWay > mayStay)
                Finish();
            Samples.Add(Planner.TakeOutcomes());
        }

        private void Start(ForwardBatch batch)
        {
            try
            {
                Runner.Start(batch);
            }
            catch (InvalidOperationException fault)
            {
                Planner.Fail(fault);
            }
        }

        private void Finish()
        {
            try
            {
                Planner.Complete(Runner.Finish(), Runner.Version);
            }
            catch (InvalidOperationException fault)
            {
                Planner.Fail(fault);
            }
        }

        public void Update(PolicyVersion version)
        {
            Runner.LoadWeights(version);
            _ledger.ResetPolicy(version);
        }

        public void AssertIdle()
        {
            Assert.Equal(0, _ledger.SequenceCount);
            Assert.Equal(0, _ledger.Usage.InUse);
            Assert.Null(_ledger.Imbalance());
        }

        private void Reserve()
        {
            if (!Planner.IsDemandOut && Planner.HasWork)
                _grant = _ledger.Reserve(Planner.Demand(_ledger.Version));
        }
    }

    private sealed record Scenario(int BlockSize, int Blocks, int MaxNumSeqs, int MaxNumBatchedTokens)
    {
        public bool StaticBatch { get; init; }

        public int StepsAhead { get; init; } = 1;

        public int StepsBetweenArrivals { get; init; }

        public int Seed { get; init; }

        /// <summary>Pools from hardly one sequence to plenty, so that waiting and preemption are common.</summary>
        public static Arbitrary<Scenario> Arbitrary() => (
            from blockSize in Gen.Elements(1, 2, 4, 16)
            from spare in Gen.Choose(0, 60)
            from seqs in Gen.Choose(1, 12)
            from tokens in Gen.Choose(0, 40)
            from between in Gen.Choose(0, 6)
            from ahead in Gen.Choose(1, 2)
            from seed in Gen.Choose(0, int.MaxValue - 1)
            select new Scenario(blockSize, (60 / blockSize) + 1 + spare, seqs, seqs + tokens)
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
}
