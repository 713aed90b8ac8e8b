using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Rollout.Gpu.Training.Losses;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>Several optimizer steps on one batch of rollouts, and masks.</summary>
public sealed class MiniBatchTrainingTests
{
    [Fact]
    public void Mini_batches_clip_at_one_iteration_and_a_whole_batch_does_not()
    {
        var options = TinyModel.Options with { LearningRate = 0.02 };
        var whole = Trained(options, TinyModel.Batch(6));
        var parts = Trained(options with { MiniBatchPrompts = 1 }, TinyModel.Batch(6));

        Assert.Equal((1, 0.0), (whole.OptimizerSteps, whole.ClipFraction));
        Assert.Equal((1.0, 1.0), (whole.RatioMin, whole.RatioMax));
        Assert.Equal(4, parts.OptimizerSteps);
        Assert.True(parts.ClipFraction > 0, $"clip fraction {parts.ClipFraction}");
        Assert.Equal(parts.ClipFraction, parts.ClipFractionLow + parts.ClipFractionHigh, 1e-12);
        Assert.True(parts.RatioMin < 0.8 && parts.RatioMax > 1.2, $"ratio {parts.RatioMin} … {parts.RatioMax}");
    }

    [Fact]
    public void The_ratio_of_each_trained_token_of_all_mini_batches_is_in_a_bucket()
    {
        var options = TinyModel.Options with { LearningRate = 0.02 };
        var whole = Trained(options, TinyModel.Batch(6));
        var parts = Trained(options with { MiniBatchPrompts = 1 }, TinyModel.Batch(6));

        Assert.Equal(new BucketCounts(1, 1, whole.TrainedTokens, [1], [whole.TrainedTokens]), whole.Ratios);
        var ratios = parts.Ratios!;
        Assert.Equal(parts.TrainedTokens, ratios.Counts.Sum());
        Assert.Equal((parts.RatioMin, parts.RatioMax), (ratios.Least, ratios.Most));
        Assert.Equal(parts.RatioMean, ratios.Sum / parts.TrainedTokens, 1e-12);
        Assert.Equal(ratios.Limits.Order().Distinct(), ratios.Limits);
        Assert.InRange(ratios.Least, 0, ratios.Limits[0]);
        Assert.Equal(ratios.Most, ratios.Limits[^1]);
    }

    [Fact]
    public void The_policy_before_the_batch_is_the_old_one_for_every_step()
    {
        // Nothing changes at learning rate 0, so every ratio is 1 whatever step it is of.
        var stats = Trained(
            TinyModel.Options with { LearningRate = 0, MiniBatchPrompts = 1, NumIterations = 2 }, TinyModel.Batch(6));

        Assert.Equal(8, stats.OptimizerSteps);
        Assert.InRange(stats.RatioMin, 1 - 1e-5, 1);
        Assert.InRange(stats.RatioMax, 1, 1 + 1e-5);
        Assert.Equal(0, stats.ClipFraction);
    }

    [Theory]
    [InlineData(LossType.Grpo)]
    [InlineData(LossType.Dapo)]
    [InlineData(LossType.Gspo)]
    public void No_split_into_micro_batches_changes_the_steps_of_mini_batches(LossType type)
    {
        var options = TinyModel.Options with
        {
            Loss = LossRecipe.Of(type),
            MiniBatchPrompts = 2,
            NumIterations = 2,
            AdamEpsilon = 1,
            LearningRate = 1,
            MaxGradNorm = 0,
            MicroBatchTokens = 10_000,
        };
        using var expected = TinyModel.Weights();
        using (var trainer = new PolicyTrainer(expected, options))
            trainer.Train(TinyModel.Batch(9, groups: 5));
        foreach (var budget in (int[])[1, 25, 60])
        {
            using var weights = TinyModel.Weights();
            using var trainer = new PolicyTrainer(weights, options with { MicroBatchTokens = budget });
            trainer.Train(TinyModel.Batch(9, groups: 5));
            Assert.True(TinyModel.Values(expected.Model).Zip(TinyModel.Values(weights.Model))
                .All(pair => Math.Abs(pair.First - pair.Second) < 1e-4));
        }
    }

    [Fact]
    public void A_mini_batch_divides_by_what_it_holds_itself()
    {
        // The groups are equal but for their ids, so each mini-batch of one is the batch of one.
        var one = TinyModel.Batch(4, groups: 1, reward: (_, sample) => sample);
        var two = new TrainBatch([one.Groups[0], one.Groups[0] with { Id = new GroupId(1) }]);
        var options = TinyModel.Options with { LearningRate = 0 };

        var alone = Trained(options, one);
        var halves = Trained(options with { MiniBatchPrompts = 1 }, two);

        Assert.Equal(alone.GradientNorm, halves.GradientNorm, 1e-5);
        Assert.Equal(alone.Entropy, halves.Entropy, 1e-6);
    }

    [Fact]
    public void Inserted_tokens_are_read_and_neither_learnt_nor_counted()
    {
        var batch = TinyModel.Batch(4, reward: (_, sample) => sample);
        var all = Trained(TinyModel.Options, batch);
        var masked = Mapped(batch, completion => completion with
        {
            Sampled = [.. completion.Tokens.Select((_, t) => t % 2 == 0)],
            SamplerLogprobs = [.. completion.SamplerLogprobs.Select((value, t) => t % 2 == 0 ? value : float.NaN)],
        });
        var sampled = masked.Groups.SelectMany(group => group.Completions)
            .Sum(completion => completion.Sampled!.Count(one => one));

        var stats = Trained(TinyModel.Options, masked);

        Assert.Equal(sampled, stats.TrainedTokens);
        Assert.True(stats.TrainedTokens < all.TrainedTokens);
        Assert.True(double.IsFinite(stats.LogprobDifferenceMax) && double.IsFinite(stats.Loss));
        Assert.NotEqual(all.GradientNorm, stats.GradientNorm);
        Assert.Equal(
            all, Trained(TinyModel.Options, Mapped(batch, one => one with { Sampled = [.. one.Tokens.Select(_ => true)] })) with
            {
                Seconds = all.Seconds,
                Advantages = all.Advantages,
            });
    }

    [Fact]
    public void Masked_truncated_completions_leave_the_loss_and_stay_in_the_statistics()
    {
        var batch = TinyModel.Batch(4, reward: (_, sample) => sample);
        var cut = Mapped(batch, completion =>
            completion.Reward == 1 ? completion with { Reason = FinishReason.Length } : completion);
        var kept = cut.Groups.SelectMany(group => group.Completions)
            .Where(completion => completion.Reason == FinishReason.Stop)
            .Sum(completion => completion.Tokens.Length);

        var learnt = Trained(TinyModel.Options, cut);
        var masked = Trained(TinyModel.Options with { MaskTruncated = true }, cut);

        Assert.True(learnt.TrainedTokens > kept);
        Assert.Equal(kept, masked.TrainedTokens);
        Assert.Equal(learnt.Entropy, masked.Entropy, 1e-5);
        Assert.NotEqual(learnt.GradientNorm, masked.GradientNorm);
    }

    [Theory]
    [InlineData(KlIn.Loss, KlEstimator.K3, 1)]
    [InlineData(KlIn.Loss, KlEstimator.K2, 2)]
    [InlineData(KlIn.Reward, KlEstimator.K1, 1)]
    public void The_kl_covers_every_sampled_token_before_the_updates(KlIn place, KlEstimator estimator, int iterations)
    {
        var options = TinyModel.Options with
        {
            Loss = TinyModel.Options.Loss with { Beta = 0.1, KlIn = place, KlEstimator = estimator },
            NumIterations = iterations,
            MaskTruncated = true,
        };
        var batch = Mapped(TinyModel.Batch(5, reward: (group, sample) => group == 0 ? 1 : sample), completion =>
            completion.Reward == 2 ? completion with { Reason = FinishReason.Length } : completion);
        using var weights = TinyModel.Weights();
        using var reference = TinyModel.Create(seed: 2);
        double[] expected =
        [
            .. from at in batch.Groups
               from completion in at.Completions
               from pair in Logprobs(weights.Model, at.Prompt, completion.Tokens)
                   .Zip(Logprobs(reference, at.Prompt, completion.Tokens))
               select KlEstimates.Of(estimator, pair.Second - (double)pair.First),
        ];
        using var trainer = new PolicyTrainer(weights, options, reference: TinyModel.Create(seed: 2));

        Assert.Equal(expected.Average(), trainer.Train(batch).Kl, 1e-5);
    }

    [Fact]
    public void Statistics_cover_groups_of_equal_rewards_which_cost_a_forward_pass()
    {
        var batch = TinyModel.Batch(3, reward: (group, sample) => group == 0 ? sample : 1);
        var all = TinyModel.Batch(3, reward: (_, sample) => sample);
        var tokens = batch.Groups[0].Completions.Sum(completion => completion.Tokens.Length);

        var stats = Trained(TinyModel.Options, batch);
        var expected = Trained(TinyModel.Options, all);

        Assert.Equal(3, stats.EqualRewardGroups);
        Assert.Equal(tokens, stats.TrainedTokens);
        Assert.Equal(expected.Entropy, stats.Entropy, 1e-5);
        Assert.Equal(expected.LogprobDifferenceMean, stats.LogprobDifferenceMean, 1e-5);
        Assert.Equal(expected.ProcessedTokens, stats.ProcessedTokens + stats.MeasuredTokens);
        Assert.Equal(0, expected.MeasuredTokens);
    }

    [Fact]
    public void A_group_of_equal_rewards_gets_its_kl_term()
    {
        using var weights = TinyModel.Weights();
        using var reference = TinyModel.Weights(seed: 2);
        using var trainer = new PolicyTrainer(
            weights, TinyModel.Options.WithBeta(0.1), reference: ReferenceModel.Copy(reference.Model, TorchSharp.torch.CPU));

        var first = trainer.Train(TinyModel.Batch(2, reward: (_, _) => 1));
        var last = Enumerable.Range(0, 10).Select(_ => trainer.Train(TinyModel.Batch(2, reward: (_, _) => 1))).Last();

        Assert.Equal(4, first.EqualRewardGroups);
        Assert.True(first.GradientNorm > 0);
        Assert.True(first.TrainedTokens > 0);
        Assert.True(last.Kl < first.Kl, $"KL {first.Kl}, then {last.Kl}");
    }

    /// <summary>[completion] log π of one completion by itself.</summary>
    private static float[] Logprobs(CausalLm model, int[] prompt, int[] completion)
    {
        var sequence = new TokenSequence(prompt, completion);
        using var scope = NewDisposeScope();
        using var input = new MicroBatchInput([sequence], sequence.InputLength, CPU);
        return new CompletionPass(model, temperature: 1, logitElements: 1 << 20).Logprobs(input).data<float>().ToArray();
    }

    private static TrainStats Trained(GrpoOptions options, TrainBatch batch)
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, options);
        return trainer.Train(batch);
    }

    private static TrainBatch Mapped(TrainBatch batch, Func<TrainCompletion, TrainCompletion> map) => new(
    [
        .. batch.Groups.Select(group => group with { Completions = [.. group.Completions.Select(map)] }),
    ]);
}
