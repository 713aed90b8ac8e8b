using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training.Losses;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training.Losses;

public sealed class PolicyLossTests
{
    private static readonly LossRecipe Grpo = LossRecipe.Of(LossType.Grpo);

    [Fact]
    public void Loss_gradient_and_statistics_equal_the_slow_loss_for_random_parts()
    {
        for (var seed = 0; seed < 400; seed++)
        {
            var batch = LossBatch.Random(seed);
            var recipe = RandomRecipe(new Random(seed));
            var slow = new SlowLoss(batch, recipe);

            var actual = batch.Run(recipe);

            Assert.True(Math.Abs(slow.Loss - actual.Loss) < 1e-10, $"loss of seed {seed}: {recipe}");
            for (var i = 0; i < batch.Rows; i++)
            {
                for (var t = 0; t < batch.Mask[i].Length; t++)
                {
                    Assert.True(
                        Math.Abs(slow.Slope(i, t) - actual.Gradient[i][t]) < 1e-7,
                        $"slope {slow.Slope(i, t)} and not {actual.Gradient[i][t]} at {i}, {t} of seed {seed}: {recipe}");
                }
            }

            RequireStatistics(batch, recipe, slow, actual.Statistics);
        }
    }

    [Fact]
    public void Neither_padding_nor_micro_batches_change_loss_gradient_or_statistics()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var batch = LossBatch.Random(seed);
            var recipe = RandomRecipe(new Random(seed));
            var whole = batch.Run(recipe);
            foreach (var (padded, rows) in (ReadOnlySpan<(bool, int)>)[(false, 10), (true, 1), (false, 2)])
            {
                var split = batch.Run(recipe, padded, rows);

                Assert.Equal(whole.Loss, split.Loss, 1e-12);
                Assert.Equal(whole.Statistics.Tokens, split.Statistics.Tokens);
                Assert.Equal(whole.Statistics.Clipped, split.Statistics.Clipped);
                Assert.Equal(whole.Statistics.RatioMax, split.Statistics.RatioMax, 1e-12);
                Assert.Equal(whole.Statistics.RatioCounts, split.Statistics.RatioCounts);
                foreach (var (one, other) in whole.Gradient.Zip(split.Gradient))
                    Assert.All(one.Zip(other), pair => Assert.Equal(pair.First, pair.Second, 1e-12));
            }
        }
    }

    [Theory]
    [InlineData(1.5, 1, true)] // raised enough already
    [InlineData(1.5, -1, false)] // raised against its advantage: must come back
    [InlineData(0.5, -1, true)] // lowered enough already
    [InlineData(0.5, 1, false)]
    [InlineData(1.1, 1, false)]
    public void The_clip_stops_only_what_went_too_far_in_the_wanted_direction(
        double ratio, double advantage, bool stops)
    {
        var (slope, statistics) = OneToken(Grpo, ratio, advantage);

        Assert.Equal(stops ? 0 : -ratio * advantage, slope, 12);
        Assert.Equal(stops && advantage < 0 ? 1 : 0, statistics.ClippedLow);
        Assert.Equal(stops && advantage > 0 ? 1 : 0, statistics.ClippedHigh);
    }

    [Theory]
    [InlineData(2.9, -1, false)]
    [InlineData(3.1, -1, true)] // would be pushed back ever harder
    [InlineData(1.1, 1, false)]
    public void Delta_stops_a_ratio_that_is_large_against_its_advantage(
        double ratio, double advantage, bool stops)
    {
        var (slope, statistics) = OneToken(Grpo with { Delta = 3 }, ratio, advantage);

        Assert.Equal(stops ? 0 : -ratio * advantage, slope, 12);
        Assert.Equal(stops ? 1 : 0, statistics.ClippedHigh);
    }

    [Fact]
    public void Cispo_keeps_the_gradient_of_every_token_and_bounds_its_weight()
    {
        var twoSided = LossRecipe.Of(LossType.Cispo) with { Epsilon = 0.2, EpsilonHigh = 0.28 };

        Assert.Equal(-5, OneToken(LossRecipe.Of(LossType.Cispo), ratio: 7, advantage: 1).Slope, 12);
        Assert.Equal(-0.1, OneToken(LossRecipe.Of(LossType.Cispo), ratio: 0.1, advantage: 1).Slope, 12);
        Assert.Equal(-1.28, OneToken(twoSided, ratio: 7, advantage: 1).Slope, 12);
        Assert.Equal(-0.8, OneToken(twoSided, ratio: 0.1, advantage: 1).Slope, 12);
    }

    [Fact]
    public void Sapo_is_the_policy_gradient_at_ratio_one_and_fades_away_from_it()
    {
        var sapo = LossRecipe.Of(LossType.Sapo);

        Assert.Equal(-2, OneToken(sapo, ratio: 1, advantage: 2).Slope, 12);
        Assert.Equal(2, OneToken(sapo, ratio: 1, advantage: -2).Slope, 12);
        Assert.True(OneToken(sapo, ratio: 20, advantage: 1).Slope is > -1e-6 and < 0);
    }

    [Fact]
    public void Without_an_older_policy_the_gradient_is_that_of_the_policy_gradient()
    {
        foreach (var type in Enum.GetValues<LossType>())
        {
            var recipe = LossRecipe.Of(type);
            var batch = LossBatch.Random(3);
            var weights = LossWeights.Of(
                recipe.Aggregation,
                [.. Enumerable.Range(0, batch.Rows).Select(batch.Length)],
                batch.MaxCompletionLength);

            var gradient = (batch with { Old = batch.Logprobs }).Run(recipe).Gradient;

            for (var i = 0; i < batch.Rows; i++)
            {
                // The product over a completion moves with each token, for each of its tokens.
                var times = recipe.RatioLevel == RatioLevel.SequenceSum ? batch.Length(i) : 1;
                var expected = -batch.Advantages[i] * weights.OfTokenIn(batch.Length(i)) * times;
                for (var t = 0; t < batch.Mask[i].Length; t++)
                    Assert.Equal(batch.Mask[i][t] ? expected : 0, gradient[i][t], 12);
            }
        }
    }

    [Fact]
    public void A_ratio_of_a_sequence_is_its_geometric_mean_or_product_without_masked_tokens()
    {
        using var scope = NewDisposeScope();
        var input = new TokenLossInput(
            tensor([Math.Log(2), 50, Math.Log(8), Math.Log(0.9)]),
            zeros(4, float64),
            ones(4, float64),
            tensor([0.25, 0, 0.25, 0.5]),
            tensor([0L, 0, 0, 1]),
            2);

        var mean = LossStatistics.Read(new PolicyLoss(Grpo with { RatioLevel = RatioLevel.Sequence })
            .Of(input).Statistics.data<double>().ToArray());
        var product = LossStatistics.Read(new PolicyLoss(Grpo with { RatioLevel = RatioLevel.SequenceSum })
            .Of(input).Statistics.data<double>().ToArray());

        Assert.Equal(4, mean.RatioMax, 1e-12);
        Assert.Equal(0.9, mean.RatioMin, 1e-12);
        Assert.Equal(16, product.RatioMax, 1e-12);
        Assert.Equal((3, 2), (product.Tokens, product.ClippedHigh));
    }

    [Theory]
    [InlineData(ImportanceCorrection.TokenTruncate, 2, 1)]
    [InlineData(ImportanceCorrection.TokenMask, 0, 1)]
    [InlineData(ImportanceCorrection.SequenceTruncate, 2, 2)]
    [InlineData(ImportanceCorrection.SequenceMask, 4, 4)]
    public void An_importance_weight_is_of_the_token_or_of_its_completion(
        ImportanceCorrection kind, double first, double second)
    {
        using var scope = NewDisposeScope();
        var logprobs = zeros(2, float64).requires_grad_();
        var recipe = Grpo with
        {
            ImportanceCorrection = kind,
            ImportanceCap = kind == ImportanceCorrection.SequenceMask ? 4.5 : 2,
        };

        var loss = new PolicyLoss(recipe).Of(new TokenLossInput(
            logprobs, zeros(2, float64), ones(2, float64), ones(2, float64), zeros(2, int64), 1)
        {
            SamplerLogprobs = tensor([-Math.Log(4), 0]),
        });
        loss.Loss.backward();

        Assert.Equal([-first, -second], logprobs.grad!.data<double>().ToArray());
    }

    [Fact]
    public void The_kl_estimate_keeps_its_digits_where_policies_nearly_agree()
    {
        using var scope = NewDisposeScope();

        var estimate = KlEstimates.Of(KlEstimator.K3, tensor(1e-3f)).item<float>();

        // d²/2 + d³/6; e^d − d − 1 in float32 would be off by more than a tenth.
        Assert.Equal(5.0017e-7, estimate, 5e-10);
    }

    [Fact]
    public void A_kl_term_in_the_reward_is_the_sum_over_tokens_that_are_not_masked()
    {
        var rloo = LossRecipe.Of(LossType.Rloo) with { Beta = 0.5 };

        Assert.Equal(1, KlEstimates.PenalizedReward(rloo, 2, [-1, -1, -9], [-2, -2, -1], [true, true, false]), 12);
        Assert.Equal(5, KlEstimates.PenalizedReward(rloo, 2, [-1, -1, -9], [-2, -2, -1], []), 12);
        Assert.Equal(double.NaN, KlEstimates.PenalizedReward(rloo, double.NaN, [-1], [-2], []));
    }

    [Theory]
    [InlineData(true, "the reference")]
    [InlineData(false, "the sampler")]
    public void Log_probabilities_that_a_recipe_needs_must_be_given(bool kl, string named)
    {
        using var scope = NewDisposeScope();
        var recipe = kl
            ? Grpo with { Beta = 0.1 }
            : Grpo with { ImportanceCorrection = ImportanceCorrection.TokenMask };

        var refused = Assert.Throws<ArgumentException>(() => new PolicyLoss(recipe).Of(
            new TokenLossInput(zeros(1), zeros(1), zeros(1), ones(1), zeros(1, int64), 1)));

        Assert.EndsWith($"needs the log-probabilities of {named}.", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_count_the_whole_batch_and_an_empty_completion_as_one_token()
    {
        double Weight(LossAggregation kind, int length) => LossWeights.Of(kind, [5, 8, 0, 7], 64).OfTokenIn(length);

        Assert.Equal(1.0 / 4 / 5, Weight(LossAggregation.SeqMeanTokenMean, 5));
        Assert.Equal(1.0 / 4, Weight(LossAggregation.SeqMeanTokenMean, 0));
        Assert.Equal(1.0 / 4, Weight(LossAggregation.SeqMeanTokenSum, 5));
        Assert.Equal(1.0 / 4 / 64, Weight(LossAggregation.SeqMeanTokenSumNorm, 5));
        Assert.Equal(1.0 / 20, Weight(LossAggregation.TokenMean, 5));
    }

    /// <summary>The loss of one token of weight 1.</summary>
    private static (double Slope, LossStatistics Statistics) OneToken(
        LossRecipe recipe, double ratio, double advantage)
    {
        using var scope = NewDisposeScope();
        var logprobs = tensor([Math.Log(ratio)]).requires_grad_();
        var loss = new PolicyLoss(recipe).Of(new TokenLossInput(
            logprobs, zeros(1, float64), tensor([advantage]), ones(1, float64), zeros(1, int64), 1));
        loss.Loss.backward();
        return (logprobs.grad!.item<double>(), LossStatistics.Read(loss.Statistics.data<double>().ToArray()));
    }

    private static void RequireStatistics(
        LossBatch batch, LossRecipe recipe, SlowLoss slow, LossStatistics actual)
    {
        (int Row, int Token)[] counted =
        [
            .. batch.Mask.SelectMany((row, i) => row.Select((_, t) => (i, t))).Where(at => batch.Mask[at.i][at.t]),
        ];
        Assert.Equal(counted.Length, actual.Tokens);
        Assert.Equal(counted.Sum(at => slow.Ratio(at.Row, at.Token)), actual.Ratio, 1e-9);
        Assert.Equal(DirectCounts([.. counted.Select(at => slow.Ratio(at.Row, at.Token))]), actual.RatioCounts);
        if (counted.Length > 0)
        {
            Assert.Equal(counted.Min(at => slow.Ratio(at.Row, at.Token)), actual.RatioMin, 1e-12);
            Assert.Equal(counted.Max(at => slow.Ratio(at.Row, at.Token)), actual.RatioMax, 1e-12);
        }

        double[] weights = recipe.ImportanceCorrection == ImportanceCorrection.None
            ? []
            : [.. counted.Select(at => slow.Weight(at.Row, at.Token))];
        Assert.Equal(weights.Sum(), actual.ImportanceWeight, 1e-9);
        if (weights.Length > 0)
        {
            Assert.Equal(weights.Min(), actual.ImportanceWeightMin, 1e-9);
            Assert.Equal(weights.Max(), actual.ImportanceWeightMax, 1e-9);
        }

        Assert.Equal(
            weights.Count(w => w < recipe.ImportanceFloor || w > recipe.ImportanceCap), actual.ImportanceOutside);
    }

    /// <summary>Ratios in 65 buckets of ln ρ whose width is 1/32, and those below and above them.</summary>
    private static double[] DirectCounts(double[] ratios) =>
    [
        .. Enumerable.Range(-33, 67).Select(bucket => (double)ratios.Count(ratio =>
            (bucket == -33 || Math.Log(ratio) > (bucket - 0.5) / 32) && (bucket == 33 || Math.Log(ratio) <= (bucket + 0.5) / 32))),
    ];

    /// <summary>Any combination of parts, with bounds that some tokens reach.</summary>
    private static LossRecipe RandomRecipe(Random random)
    {
        T Any<T>() where T : struct, Enum => Enum.GetValues<T>()[random.Next(Enum.GetValues<T>().Length)];
        double Often(double value) => random.Next(2) == 0 ? 0 : value;
        return Grpo with
        {
            RatioLevel = Any<RatioLevel>(),
            Surrogate = random.Next(2) == 0 ? Surrogate.Clip : Any<Surrogate>(),
            Epsilon = random.Next(3) == 0 ? 1 : 0.2,
            EpsilonHigh = 0.1 + (0.3 * random.NextDouble()),
            Delta = Often(1.5),
            LogRatioClamp = Often(0.4),
            Aggregation = Any<LossAggregation>(),
            Beta = Often(0.3),
            KlEstimator = Any<KlEstimator>(),
            KlIn = Any<KlIn>(),
            ImportanceCorrection = Any<ImportanceCorrection>(),
            ImportanceCap = 1.3,
            ImportanceFloor = Often(0.7),
        };
    }
}
