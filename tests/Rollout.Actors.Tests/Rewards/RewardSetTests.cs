using Rollout.Actors.Rewards;
using Rollout.Actors.Tests.Support;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

public sealed class RewardSetTests
{
    private static readonly RewardSet Three = new(Named("a", 2), Named("b", -0.5), Named("c", 10));

    [Theory]
    [InlineData(1, 0.8, 0.1, 2.6)]
    [InlineData(1, double.NaN, 0.1, 3)]
    [InlineData(double.NaN, 4, double.NaN, -2)]
    [InlineData(double.NaN, double.NaN, 0, 0)]
    [InlineData(double.NaN, double.NaN, double.NaN, double.NaN)]
    public void Rewards_that_are_there_are_summed_by_weight(double a, double b, double c, double sum) =>
        Assert.Equal(sum, Three.Sum([a, b, c]), 12);

    [Fact]
    public void No_function_and_a_weight_that_is_no_number_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new RewardSet());
        var wrong = Assert.Throws<ArgumentException>(() => new RewardSet(Named("gsm8k", double.NaN)));
        Assert.Contains("reward gsm8k", wrong.Message);
    }

    private static NamedReward Named(string name, double weight) => new(name, weight, new FakeReward((_, _) => new(1)));
}
