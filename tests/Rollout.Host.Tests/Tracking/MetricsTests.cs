using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;

namespace Rollout.Host.Tests.Tracking;

public sealed class MetricsTests
{
    private static readonly TrainingStepFinished Two = FinishedSteps.Of(
        1,
        FinishedSteps.Group(7, (1, 2, FinishReason.Stop), (3, 6, FinishReason.Length)),
        FinishedSteps.Group(9, (5, 4, FinishReason.Stop), (5, 4, FinishReason.Length)));

    [Fact]
    public void Rewards_and_lengths_are_those_of_all_scored_samples()
    {
        var step = Metrics.Of(Two, tokensBefore: 0);

        Assert.Equal(3.5, step[Metrics.Reward]);
        Assert.Equal((2 + 4 + 6 + 4) / 4.0, step[Metrics.MeanLength]);
        Assert.Equal((2, 6), (step[Metrics.MinLength], step[Metrics.MaxLength]));
        Assert.Equal((3, 2, 4), (
            step[Metrics.MeanTerminatedLength], step[Metrics.MinTerminatedLength], step[Metrics.MaxTerminatedLength]));
        Assert.Equal(0.5, step[Metrics.TruncatedShare]);
    }

    [Fact]
    public void The_spread_of_rewards_is_that_of_TRL_the_mean_over_groups_with_the_divisor_n_minus_1()
    {
        var step = Metrics.Of(Two, tokensBefore: 0);

        Assert.Equal((Math.Sqrt(2) + 0) / 2, step[Metrics.RewardStd], 12);
        Assert.Equal(0.5, step[Metrics.EqualRewards]);
    }

    [Fact]
    public void Quantiles_of_the_reward_are_interpolated()
    {
        var step = Metrics.Of(Two, tokensBefore: 0); // 1 3 5 5

        Assert.Equal(1 + (0.3 * 2), step[Metrics.RewardP10], 12);
        Assert.Equal(4, step[Metrics.RewardP50]);
        Assert.Equal(5, step[Metrics.RewardP90]);
    }

    [Fact]
    public void Each_reward_function_has_the_mean_and_spread_of_the_samples_that_it_judges()
    {
        var step = Metrics.Of(
            FinishedSteps.Of(
                1,
                Two.Groups[0] with { ByFunction = [new("a", [1, double.NaN]), new("b", [double.NaN, double.NaN])] },
                Two.Groups[1] with { ByFunction = [new("a", [2, 6]), new("b", [double.NaN, 4])] }),
            tokensBefore: 0).Values;

        Assert.Equal(3, step["rewards/a/mean"]);
        Assert.Equal(Math.Sqrt(7), step["rewards/a/std"], 12);
        Assert.Equal(4, step["rewards/b/mean"]);
        Assert.DoesNotContain("rewards/b/std", step.Keys);
    }

    [Fact]
    public void Tokens_count_each_prompt_once_a_sample_and_go_on_from_the_steps_before() =>
        Assert.Equal(1000 + 16 + (4 * 3), Metrics.Of(Two, tokensBefore: 1000)[Metrics.Tokens]);

    [Fact]
    public void Times_add_up_to_the_step_and_rates_are_tokens_per_second_of_their_phase()
    {
        var step = Metrics.Of(Two, tokensBefore: 0);

        Assert.Equal((7, 4, 2, 1), (
            step[Metrics.StepSeconds], step[Metrics.RolloutSeconds], step[Metrics.TrainSeconds], step[Metrics.OtherSeconds]));
        Assert.Equal((4, 50), (step[Metrics.RolloutRate], step[Metrics.TrainRate]));
    }

    [Fact]
    public void What_a_step_did_not_measure_is_absent()
    {
        var train = Two.Train with { TrainedTokens = 0, ProcessedTokens = 0, Entropy = double.NaN };
        var step = Metrics.Of(Two with { Train = train }, tokensBefore: 0);

        Metric[] absent =
        [
            Metrics.Entropy, Metrics.Kl, Metrics.ClipFraction, Metrics.LogprobDifferenceMean, Metrics.LogprobDifferenceMax,
            Metrics.HeldOutAccuracy,
        ];
        Assert.All(absent, metric => Assert.Null(step.Find(metric)));
        Assert.DoesNotContain(step.Values.Keys, name => name.StartsWith("memory/", StringComparison.Ordinal));
        Assert.Equal(0.25, step[Metrics.Loss]);
    }

    [Fact]
    public void A_step_that_trains_on_nothing_measures_its_tokens_nevertheless()
    {
        var train = Two.Train with { TrainedTokens = 0, ProcessedTokens = 0, MeasuredTokens = 9 };
        var step = Metrics.Of(Two with { Train = train }, tokensBefore: 0);

        Assert.Equal((0.75, 1e-6), (step[Metrics.Entropy], step[Metrics.LogprobDifferenceMean]));
        Assert.Null(step.Find(Metrics.ClipFraction));
    }

    [Fact]
    public void A_GPUs_memory_is_recorded_at_four_boundaries()
    {
        var memory = new TrainingMemory(new(1, 2, 3, 4), new(5, 6, 7, 8), new(9, 10, 11, 12), new(13, 14, 15, 16));

        var step = Metrics.Of(Two with { Train = Two.Train with { Memory = memory } }, tokensBefore: 0);

        Assert.Equal(1, step.Values["memory/rollout/in_use"]);
        Assert.Equal(8, step.Values["memory/logprobs/peak"]);
        Assert.Equal(10, step.Values["memory/backward/reserved"]);
        Assert.Equal(15, step.Values["memory/optimizer/free"]);
    }
}
