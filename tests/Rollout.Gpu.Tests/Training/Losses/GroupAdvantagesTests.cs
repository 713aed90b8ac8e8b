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

    private static (double[] Advantages, int Equal) Compute(double[][] rewards, ScaleRewards scale)
    {
        var advantages = new double[rewards.Sum(group => group.Length)];
        var equal = GroupAdvantages.Compute(
            [.. rewards.SelectMany(group => group)],
            [.. rewards.Select((_, g) => new GroupId(g))],
            [.. rewards.Select(group => group.Length)],
            Grpo with { ScaleRewards = scale },
            advantages);
        return (advantages, equal);
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
