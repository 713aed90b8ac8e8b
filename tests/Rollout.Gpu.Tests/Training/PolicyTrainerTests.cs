using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class PolicyTrainerTests
{
    [Theory]
    [InlineData(LossType.Grpo, 0)]
    [InlineData(LossType.DrGrpo, 0)]
    [InlineData(LossType.Dapo, 0)]
    [InlineData(LossType.Dapo, 0.1)]
    [InlineData(LossType.Gspo, 0)]
    [InlineData(LossType.Cispo, 0)]
    [InlineData(LossType.Rloo, 0)]
    public void No_split_into_micro_batches_or_chunks_changes_the_step(LossType type, double beta)
    {
        var recipe = LossRecipe.Of(type) with { Beta = beta };
        var options = TinyModel.Options with { Loss = recipe, NumIterations = 2, MaxGradNorm = 0 };
        // With a large epsilon the step is in proportion to the gradient, and not its sign alone.
        options = options with { AdamEpsilon = 1, LearningRate = 1 };
        var (whole, expected) =
            AfterOneStep(options with { MicroBatchTokens = 100_000 }, logitElements: 1 << 20);
        foreach (var (budget, elements) in (ReadOnlySpan<(int, long)>)[(1, 1), (25, 1 << 20), (60, 70)])
        {
            var (stats, actual) = AfterOneStep(options with { MicroBatchTokens = budget }, elements);

            Assert.Equal(whole.Loss, stats.Loss, 5e-5);
            Assert.Equal(1, stats.GradientNorm / whole.GradientNorm, 1e-4);
            Assert.Equal(whole.Entropy, stats.Entropy, 1e-4);
            Assert.Equal(whole.ClipFraction, stats.ClipFraction, 1e-9);
            Assert.True(expected.Zip(actual).All(pair => Math.Abs(pair.First - pair.Second) < 1e-4));
        }
    }

    [Theory]
    [InlineData(LossType.Grpo)]
    [InlineData(LossType.DrGrpo)]
    [InlineData(LossType.Dapo)]
    public void Denominators_count_groups_that_are_not_computed(LossType type)
    {
        var recipe = LossRecipe.Of(type) with { ScaleRewards = ScaleRewards.Group };
        var options = TinyModel.Options with { Loss = recipe, MaxGradNorm = 0 };
        // Only group 0 differs in its rewards; the other three are skipped, and yet divide.
        var batch = TinyModel.Batch(3, reward: (group, sample) => group == 0 ? sample : 1);
        using var weights = TinyModel.Weights();
        var expected = BatchLoss(weights.Model, batch, options);
        using var trainer = new PolicyTrainer(weights, options);

        var stats = trainer.Train(batch);

        Assert.Equal(3, stats.EqualRewardGroups);
        Assert.Equal(
            batch.Groups[0].Completions.Sum(completion => completion.Tokens.Length), stats.TrainedTokens);
        Assert.Equal(expected.Loss, stats.Loss, 1e-6);
        Assert.Equal(expected.GradientNorm, stats.GradientNorm, 1e-5);
    }

    [Fact]
    public void A_step_raises_what_was_rewarded_and_lowers_what_was_not()
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options with { LearningRate = 1e-4 });
        var batch = TinyModel.Batch(1, groups: 1, samples: 2, reward: (_, sample) => sample);
        var before = SumOfLogprobs(weights.Model, batch);

        trainer.Train(batch);

        var after = SumOfLogprobs(weights.Model, batch);
        Assert.True(after[0] - before[0] < after[1] - before[1]);
    }

    [Fact]
    public void A_batch_in_which_nothing_contributes_advances_the_version_and_changes_no_weight()
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options);
        trainer.Train(TinyModel.Batch(1));
        var before = TinyModel.Values(weights.Model);

        var stats = trainer.Train(TinyModel.Batch(2, reward: (group, _) => 0.1 * group));

        Assert.Equal(new PolicyVersion(2), stats.Version);
        Assert.Equal(new PolicyVersion(2), weights.Version);
        Assert.Equal(before, TinyModel.Values(weights.Model));
        Assert.Equal(4, stats.EqualRewardGroups);
        Assert.Equal((0, 0, 0.0), (stats.TrainedTokens, stats.ProcessedTokens, stats.Loss));
        Assert.Equal(1, trainer.OptimizerSteps);
    }

    [Fact]
    public void Sampler_and_trainer_are_compared_before_the_update_over_every_computed_token()
    {
        using var weights = TinyModel.Weights();
        using var trainer =
            new PolicyTrainer(weights, TinyModel.Options with { Temperature = 0.7, NumIterations = 2 });
        var batch = WithSamplerOf(weights.Model, TinyModel.Batch(4), 0.7);
        var agreed = trainer.Train(batch);
        // The same rollouts again: now the sampler's weights are old.
        var stale = trainer.Train(batch);

        Assert.True(agreed.LogprobDifferenceMax < 1e-5);
        Assert.True(stale.LogprobDifferenceMean > 1e-4);
        Assert.True(stale.LogprobDifferenceMax >= stale.LogprobDifferenceMean);
    }

    [Fact]
    public void At_learning_rate_zero_sampler_and_trainer_agree_step_after_step()
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options with { LearningRate = 0 });
        var before = TinyModel.Values(weights.Model);
        for (var step = 0; step < 3; step++)
        {
            var stats = trainer.Train(WithSamplerOf(weights.Model, TinyModel.Batch(step), 1));
            Assert.True(stats.LogprobDifferenceMax < 1e-5);
            Assert.True(stats.GradientNorm > 0);
        }

        Assert.Equal(before, TinyModel.Values(weights.Model));
    }

    [Fact]
    public void One_wrong_sampler_logprob_shows_in_mean_and_maximum()
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options);
        var batch = WithSamplerOf(weights.Model, TinyModel.Batch(4, reward: (_, sample) => sample), 1);
        batch.Groups[2].Completions[1].SamplerLogprobs[0] -= 2;

        var stats = trainer.Train(batch);

        Assert.Equal(2, stats.LogprobDifferenceMax, 1e-4);
        Assert.Equal(2.0 / stats.TrainedTokens, stats.LogprobDifferenceMean, 1e-4);
    }

    [Fact]
    public void Later_iterations_clip_against_the_policy_of_the_first()
    {
        var batch = TinyModel.Batch(6);
        var options = TinyModel.Options with { LearningRate = 0.05, NumIterations = 4 };
        using var weights = TinyModel.Weights();
        using var once = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, options);
        using var single = new PolicyTrainer(once, options with { NumIterations = 1 });

        Assert.True(trainer.Train(batch).ClipFraction > 0.1);
        Assert.Equal(0, single.Train(batch).ClipFraction);
        Assert.Equal(4, trainer.OptimizerSteps);
        Assert.Equal(new PolicyVersion(1), weights.Version);
    }

    [Fact]
    public void The_kl_term_holds_the_policy_near_the_initial_weights()
    {
        double Drift(double beta)
        {
            using var weights = TinyModel.Weights();
            using var trainer =
                new PolicyTrainer(weights, TinyModel.Options.WithBeta(beta) with { LearningRate = 2e-3 });
            var stats = Enumerable.Range(0, 20).Select(_ => trainer.Train(TinyModel.Batch(1))).ToArray();
            Assert.Equal(0, stats[0].Kl, 1e-6);
            return stats[^1].Kl;
        }

        Assert.Equal(0, Drift(0));
        var (loose, tight) = (Drift(0.01), Drift(10));
        Assert.True(loose > 2 * tight && tight > 0, $"KL {loose} with beta 0.01, {tight} with beta 10");
    }

    [Fact]
    public void An_empty_completion_counts_as_a_sequence_and_is_not_computed()
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options);
        var batch = new TrainBatch(
        [
            new TrainGroup(new GroupId(7), [1, 2],
            [
                new TrainCompletion([], [], 0),
                new TrainCompletion([3], [-1], 1),
            ]),
        ]);

        Assert.Equal(1, trainer.Train(batch).TrainedTokens);
    }

    [Fact]
    public void Bad_batches_are_refused_by_name_before_anything_changes()
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options);
        var before = TinyModel.Values(weights.Model);
        var good = TinyModel.Batch(1).Groups[0];
        void Refused(TrainGroup group, string named)
        {
            var failure = Assert.Throws<ArgumentException>(() => trainer.Train(new TrainBatch([group])));
            Assert.Contains(named, failure.Message, StringComparison.Ordinal);
        }

        var first = good.Completions[0];
        Refused(good with { Prompt = [] }, "group 0 sample 0");
        Refused(good with { Prompt = [-1] }, "Token -1");
        Refused(good with { Completions = [first with { Reward = double.PositiveInfinity }] }, "group 0 sample 0");
        Refused(good with { Completions = [first with { SamplerLogprobs = [] }] }, "0 log-probabilities");
        var unknown = new TrainCompletion([1, TinyModel.Vocabulary], [-1, -1], 0);
        Refused(
            good with { Completions = [unknown] },
            $"Token {TinyModel.Vocabulary}");
        var broken = new TrainCompletion([1, 2], [-1, float.NaN], 0);
        Refused(good with { Completions = [broken] }, "token 1");

        Assert.Equal(new PolicyVersion(0), weights.Version);
        Assert.Equal(before, TinyModel.Values(weights.Model));
    }

    [Fact]
    public void Weights_that_are_not_finite_end_the_run_at_once_where_no_update_may_be_skipped()
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options with { MicroBatchTokens = 1 });
        using (no_grad())
        using (var embedding = weights.Model.parameters().First().detach())
            embedding[17].fill_(float.NaN);
        var before = TinyModel.Values(weights.Model);

        var stats = trainer.Train(TinyModel.Batch(1));

        Assert.Contains("sample", stats.WhyOver, StringComparison.Ordinal);
        Assert.Single(stats.SkippedUpdates);
        Assert.Equal(before, TinyModel.Values(weights.Model));
        Assert.All(weights.Model.parameters(), parameter => Assert.Null(parameter.grad));
    }

    [Fact]
    public void A_step_that_loses_the_weights_fails_and_can_neither_be_saved_nor_followed()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options with { LearningRate = 3e37, WeightDecay = 10 });
        using (no_grad())
        using (var embedding = weights.Model.parameters().First().detach())
            embedding.mul_(10);

        var failure = Assert.Throws<NotFiniteNumberException>(() => trainer.Train(TinyModel.Batch(1)));

        Assert.Contains("is not finite after optimizer step 1", failure.Message, StringComparison.Ordinal);
        Assert.Equal(new PolicyVersion(0), weights.Version);
        Assert.False(trainer.IsWhole);
        Assert.Throws<InvalidOperationException>(() => trainer.Save(folder.At("step-1"), new TrainingProgress(1, 0, 0)));
        Assert.Throws<InvalidOperationException>(() => trainer.Train(TinyModel.Batch(2)));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Weights_that_are_not_finite_are_never_saved()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options);
        using (no_grad())
        using (var embedding = weights.Model.parameters().First().detach())
            embedding[17].fill_(float.PositiveInfinity);

        var failure = Assert.Throws<NotFiniteNumberException>(
            () => trainer.Save(folder.At("step-1"), new TrainingProgress(1, 0, 0)));

        Assert.Contains("model.embed_tokens.weight", failure.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Native_memory_stays_flat_over_steps()
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(
            weights,
            TinyModel.Options.WithBeta(0.1) with { NumIterations = 2, MicroBatchTokens = 20 },
            logitElements: 50);
        // Of this thread, so tests that run beside it do not count.
        long Live() => TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        trainer.Train(TinyModel.Batch(1));
        var before = Live();
        for (var step = 0; step < 5; step++)
            trainer.Train(TinyModel.Batch(step));

        Assert.Equal(before, Live());
    }

    private static (TrainStats Stats, float[] Weights) AfterOneStep(GrpoOptions options, long logitElements)
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, options, logitElements: logitElements);
        var stats = trainer.Train(TinyModel.Batch(9, groups: 5));
        return (stats, TinyModel.Values(weights.Model));
    }

    /// <summary>
    /// The loss of one iteration with ρ = 1 by detach, sequence by sequence over the whole vocabulary.
    /// </summary>
    private static (double Loss, double GradientNorm) BatchLoss(
        CausalLm model, TrainBatch batch, GrpoOptions options)
    {
        using var scope = NewDisposeScope();
        var all = batch.Groups.SelectMany(group => group.Completions).ToArray();
        var total = zeros(1);
        foreach (var group in batch.Groups)
        {
            var rewards = group.Completions.Select(completion => completion.Reward).ToArray();
            var mean = rewards.Average();
            var deviation = Math.Sqrt(rewards.Sum(r => (r - mean) * (r - mean)) / (rewards.Length - 1));
            foreach (var completion in group.Completions)
            {
                var advantage = (completion.Reward - mean) / (deviation + 1e-4);
                var logprobs = Logprobs(model, group.Prompt, completion.Tokens, options.Temperature);
                var sum = -((logprobs - logprobs.detach()).exp() * advantage).sum();
                total += options.Loss.Aggregation switch
                {
                    LossAggregation.SeqMeanTokenMean => sum / completion.Tokens.Length / all.Length,
                    LossAggregation.SeqMeanTokenSumNorm => sum / (all.Length * options.MaxCompletionLength),
                    _ => sum / all.Sum(one => one.Tokens.Length),
                };
            }
        }

        total.backward();
        var norm = Math.Sqrt(TinyModel.Gradients(model).Sum(value => (double)value * value));
        model.zero_grad();
        return (total.item<float>(), norm);
    }

    private static Tensor Logprobs(CausalLm model, int[] prompt, int[] completion, double temperature)
    {
        long[] tokens = [.. prompt, .. completion];
        var hidden = model.Hidden(tensor(tokens), arange(tokens.Length), new SdpaAttention(1, tokens.Length));
        var logprobs = (model.Logits(hidden) / temperature).log_softmax(-1);
        var sources = arange(prompt.Length - 1, tokens.Length - 1);
        var targets = tensor(tokens[prompt.Length..]).unsqueeze(1);
        return logprobs.index_select(0, sources).gather(1, targets).squeeze(1);
    }

    private static double[] SumOfLogprobs(CausalLm model, TrainBatch batch)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return
        [
            .. batch.Groups.SelectMany(group => group.Completions.Select(completion =>
                (double)Logprobs(model, group.Prompt, completion.Tokens, 1).sum().item<float>())),
        ];
    }

    /// <summary>The batch as this model would have sampled it: with its own log-probabilities.</summary>
    private static TrainBatch WithSamplerOf(CausalLm model, TrainBatch batch, double temperature)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        float[] Own(int[] prompt, int[] completion) =>
            Logprobs(model, prompt, completion, temperature).data<float>().ToArray();
        return new TrainBatch(
        [
            .. batch.Groups.Select(group => group with
            {
                Completions =
                [
                    .. group.Completions.Select(one =>
                        one with { SamplerLogprobs = Own(group.Prompt, one.Tokens) }),
                ],
            }),
        ]);
    }
}
