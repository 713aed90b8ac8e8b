using FsCheck;
using FsCheck.Fluent;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training.Losses;
using Xunit;

namespace Rollout.Gpu.Tests.Training.Losses;

public sealed class GroupAdvantagesTests
{
    private const double Offset = 1e-4;

    private static readonly LossRecipe Grpo = LossRecipe.Of(LossType.Grpo);

    [Fact]
    public void Advantages_equal_the_formula_for_every_scale()
    {
        Prop.ForAll(Rewards(), rewards =>
        {
            var all = rewards.SelectMany(group => group).ToArray();
            foreach (var scale in Enum.GetValues<ScaleRewards>())
            {
                var actual = Compute(rewards, scale).Advantages;
                var expected =
                    rewards.SelectMany(group => group.Select(reward => group.All(r => r == group[0])
                    ? 0
                    : (reward - group.Average()) / (scale switch
                    {
                        ScaleRewards.Group => Deviation(group) + Offset,
                        ScaleRewards.Batch => Deviation(all) + Offset,
                        ScaleRewards.Whiten => Deviation([.. rewards.SelectMany(Centred)]) + Offset,
                        _ => 1,
                    })));
                if (!actual.Zip(expected).All(pair => Math.Abs(pair.First - pair.Second) < 1e-9))
                    return false;
            }

            return true;
        }).Holds();
    }

    [Fact]
    public void Advantages_equal_plain_sums_for_every_baseline_and_scale_and_with_rewards_absent() =>
        Prop.ForAll(Rewards(), Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), (all, seed) =>
        {
            var random = new Random(seed);
            double[][] rewards =
                [.. all.Select(group => group.Select(r => random.Next(4) == 0 ? double.NaN : r).ToArray())];
            var recipe = Grpo with
            {
                Baseline = Enum.GetValues<AdvantageBaseline>()[random.Next(3)],
                ScaleRewards = Enum.GetValues<ScaleRewards>()[random.Next(4)],
            };
            var expected = Slow(rewards, recipe);
            return Compute(rewards, recipe).Advantages.Zip(expected)
                .All(pair => Math.Abs(pair.First - pair.Second) <= 1e-9 * Math.Max(1, Math.Abs(pair.Second)));
        }).Holds(runs: 1000);

    [Fact]
    public void An_absent_reward_has_advantage_zero_and_counts_nowhere()
    {
        var (advantages, equal) = Compute([[1, double.NaN, 0], [double.NaN, 3], [double.NaN]], ScaleRewards.Group);

        var high = 0.5 / (Math.Sqrt(0.5) + 1e-4);
        Assert.Equal([high, 0, -high, 0, 0, 0], advantages);
        Assert.Equal(2, equal);
    }

    [Fact]
    public void Leaving_one_out_compares_with_the_mean_of_the_others()
    {
        var (advantages, _) = Compute([[1, 0, 0, 0]], LossRecipe.Of(LossType.Rloo));

        Assert.Equal(1, advantages[0], 12);
        Assert.All(advantages[1..], advantage => Assert.Equal(-1.0 / 3, advantage, 12));
    }

    [Fact]
    public void Without_a_baseline_groups_of_equal_rewards_are_told_apart()
    {
        var (advantages, equal) = Compute([[0, 0], [1, 1]], LossRecipe.Of(LossType.ReinforcePlusPlus));

        var high = 0.5 / Math.Sqrt(1.0 / 3);
        Assert.Equal([-high, -high, high, high], advantages.Select(advantage => Math.Round(advantage, 6)), Near);
        Assert.Equal(2, equal);
    }

    [Fact]
    public void A_whitened_batch_of_equal_rewards_is_exactly_zero()
    {
        foreach (var type in (ReadOnlySpan<LossType>)
            [LossType.ReinforcePlusPlus, LossType.ReinforcePlusPlusBaseline])
        {
            var (advantages, _) = Compute([[0.1, 0.1, 0.1], [0.1]], LossRecipe.Of(type));

            Assert.All(advantages, advantage => Assert.Equal(0, advantage));
        }
    }

    [Fact]
    public void The_advantages_of_a_group_sum_to_zero() =>
        Prop.ForAll(Rewards(), rewards =>
        {
            var advantages = Compute(rewards, ScaleRewards.Group).Advantages;
            var start = 0;
            return rewards.All(group =>
            {
                var sum = advantages.AsSpan(start, group.Length).ToArray().Sum();
                start += group.Length;
                return Math.Abs(sum) < 1e-8;
            });
        }).Holds();

    [Fact]
    public void Two_rewards_have_the_textbook_deviation_divided_by_one_less_than_two()
    {
        var (advantages, _) = Compute([[1, 0]], ScaleRewards.Group);

        Assert.Equal(0.5 / (Math.Sqrt(0.5) + 1e-4), advantages[0], 12);
        Assert.Equal(-advantages[0], advantages[1], 12);
    }

    [Theory]
    [InlineData(ScaleRewards.Group)]
    [InlineData(ScaleRewards.Batch)]
    [InlineData(ScaleRewards.None)]
    public void A_group_of_one_has_advantage_zero_and_not_its_raw_score(ScaleRewards scale)
    {
        var (advantages, equal) = Compute([[7], [0, 1]], scale);

        Assert.Equal(0, advantages[0]);
        Assert.Equal(1, equal);
    }

    [Theory]
    [InlineData(ScaleRewards.Group)]
    [InlineData(ScaleRewards.Batch)]
    [InlineData(ScaleRewards.None)]
    public void Equal_rewards_give_exactly_zero_although_their_mean_rounds(ScaleRewards scale)
    {
        // (0.1 + 0.1 + 0.1) / 3 is not 0.1 in floating point.
        var (advantages, equal) = Compute([[0.1, 0.1, 0.1], [1, 2, 3]], scale);

        Assert.All(advantages[..3], advantage => Assert.Equal(0, advantage));
        Assert.All(advantages[3..5], advantage => Assert.NotEqual(1, advantage));
        Assert.Equal(1, equal);
    }

    [Theory]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void An_infinite_reward_names_its_group_and_sample(double reward)
    {
        var failure =
            Assert.Throws<ArgumentException>(() => Compute([[1, 2], [3, reward]], ScaleRewards.Group));

        Assert.Contains("group 1 sample 1", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sizes_that_do_not_add_up_are_refused()
    {
        Assert.Throws<ArgumentException>(() => GroupAdvantages.Compute(
            [1, 2, 3], [new GroupId(0)], [2], Grpo, new double[3]));
        Assert.Throws<ArgumentException>(() => GroupAdvantages.Compute(
            [1, 2, 3], [new GroupId(0)], [4], Grpo, new double[3]));
    }

    private static bool Near(double one, double other) => Math.Abs(one - other) < 1e-6;

    private static (double[] Advantages, int Equal) Compute(double[][] rewards, ScaleRewards scale) =>
        Compute(rewards, Grpo with { ScaleRewards = scale });

    private static (double[] Advantages, int Equal) Compute(double[][] rewards, LossRecipe recipe)
    {
        var advantages = new double[rewards.Sum(group => group.Length)];
        var equal = GroupAdvantages.Compute(
            [.. rewards.SelectMany(group => group)],
            [.. rewards.Select((_, g) => new GroupId(g))],
            [.. rewards.Select(group => group.Length)],
            recipe,
            advantages);
        return (advantages, equal);
    }

    /// <summary>Sample by sample, over lists without the absent rewards.</summary>
    private static double[] Slow(double[][] rewards, LossRecipe recipe)
    {
        double[] Present(IEnumerable<double> values) => [.. values.Where(value => !double.IsNaN(value))];
        double Centre(double[] group, int sample)
        {
            if (recipe.Baseline == AdvantageBaseline.None)
                return group[sample];
            var others = group.Where((reward, i) => !double.IsNaN(reward)
                && (i != sample || recipe.Baseline == AdvantageBaseline.Group)).ToArray();
            return others.Length == 0 ? 0 : group[sample] - others.Average();
        }

        double[][] centred = [.. rewards.Select(group => group.Select((reward, i) =>
            double.IsNaN(reward) ? reward : Math.Round(Centre(group, i), 12)).ToArray())];
        var all = Present(centred.SelectMany(group => group));
        return
        [
            .. centred.SelectMany((group, g) => group.Select(value => value switch
            {
                double.NaN => 0,
                _ when recipe.ScaleRewards == ScaleRewards.Group => value / (Deviation(Present(rewards[g])) + Offset),
                _ when recipe.ScaleRewards == ScaleRewards.Batch =>
                    value / (Deviation(Present(rewards.SelectMany(own => own))) + Offset),
                _ when recipe.ScaleRewards == ScaleRewards.Whiten =>
                    (value - all.Average()) / (Deviation(all) + Offset),
                _ => value,
            })),
        ];
    }

    private static IEnumerable<double> Centred(double[] group) =>
        group.Select(reward => reward - group.Average());

    private static double Deviation(double[] values) => values.Length < 2
        ? 0
        : Math.Sqrt(values.Sum(value => Math.Pow(value - values.Average(), 2)) / (values.Length - 1));

    /// <summary>1 … 5 groups of 1 … 6 rewards out of few values, so that equal groups are common.</summary>
    private static Arbitrary<double[][]> Rewards() =>
        Gen.Choose(-4, 4).Select(value => value / 3.0)
            .NonEmptyListOf().Select(group => group.Take(6).ToArray())
            .NonEmptyListOf().Select(groups => groups.Take(5).ToArray())
            .ToArbitrary();
}
