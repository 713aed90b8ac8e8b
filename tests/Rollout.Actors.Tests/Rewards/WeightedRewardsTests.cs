using Rollout.Actors.Rewards;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

public sealed class WeightedRewardsTests
{
    [Fact]
    public async Task Rewards_are_summed_by_weight() =>
        Assert.Equal(
            2.0 - (0.5 * 0.8),
            await new WeightedRewards(
            [
                new WeightedReward("exact-answer", 2, new ExactAnswerReward()),
                new WeightedReward("keyword", -0.5, new KeywordReward("hello")),
            ]).Score(Samples.Of("hell", "hell")),
            12);

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public async Task A_reward_that_is_no_number_is_refused_with_its_name_even_at_weight_0(double score)
    {
        var rewards = new WeightedRewards([new WeightedReward("mine", 0, new Constant(score))]);
        var wrong = await Assert.ThrowsAsync<InvalidOperationException>(() => rewards.Score(Samples.Of("x")));
        Assert.Contains("reward mine gave", wrong.Message);
        Assert.Contains("p7", wrong.Message);
    }

    [Fact]
    public async Task A_failing_function_fails_the_sum_and_is_never_taken_for_0()
    {
        var rewards = new WeightedRewards(
        [
            new WeightedReward("mine", 1, new Constant(1)),
            new WeightedReward("exact-answer", 1, new ExactAnswerReward()),
        ]);
        await Assert.ThrowsAsync<InvalidDataException>(() => rewards.Score(Samples.Of("x")));
    }

    [Fact]
    public void No_function_and_a_weight_that_is_no_number_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new WeightedRewards([]));
        var wrong = Assert.Throws<ArgumentException>(
            () => new WeightedRewards([new WeightedReward("gsm8k", double.NaN, new Gsm8kReward())]));
        Assert.Contains("reward gsm8k", wrong.Message);
    }

    private sealed class Constant(double score) : IRewardFunction
    {
        public ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation) =>
            new(score);
    }
}
