using Rollout.Actors.Collection;
using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Collection;

public sealed class StepSummaryTests
{
    private static readonly ScoredGroup[] Two =
    [
        Group(7, [1, 3], [Done(2, FinishReason.Stop), Done(6, FinishReason.Length)]),
        Group(9, [5, 7], [Done(4, FinishReason.Stop), Done(4, FinishReason.Length)]),
    ];

    [Fact]
    public void Its_figures_are_over_all_completions_of_all_groups()
    {
        var summary = StepSummary.Of(Two);

        Assert.Equal(4, summary.RewardMean);
        Assert.Equal(Math.Sqrt(5), summary.RewardStd, 12);
        Assert.Equal(4, summary.MeanLength);
        Assert.Equal(6, summary.MaxLength);
        Assert.Equal(0.5, summary.TruncatedShare);
    }

    [Fact]
    public void Samples_without_a_reward_count_in_no_reward_figure()
    {
        var summary = StepSummary.Of(
        [
            Two[0] with { Rewards = [1, double.NaN], ByFunction = [new("a", [1, double.NaN]), new("b", [double.NaN, double.NaN])] },
            Two[1] with { Rewards = [2, 6], ByFunction = [new("a", [2, 6]), new("b", [double.NaN, 4])] },
        ]);

        Assert.Equal(3, summary.RewardMean);
        Assert.Equal(Math.Sqrt(14.0 / 3), summary.RewardStd, 12);
        Assert.Equal(["a", "b"], summary.RewardsByFunction.Select(function => function.Name));
        Assert.Equal([3.0, 4], summary.RewardsByFunction.Select(function => function.Mean));
        Assert.Equal(Math.Sqrt(7), summary.RewardsByFunction[0].Std, 12);
        Assert.True(double.IsNaN(summary.RewardsByFunction[1].Std));
    }

    [Fact]
    public void The_trainer_gets_each_completion_with_its_own_reward_and_log_probabilities()
    {
        var batch = TrainingRun.ToTrainBatch(Two);

        Assert.Equal([7, 9], batch.Groups.Select(group => group.Id.Value));
        Assert.Equal([7, 7, 7], batch.Groups[0].Prompt);
        Assert.Equal([1.0, 3, 5, 7], batch.Groups.SelectMany(group => group.Completions).Select(done => done.Reward));
        Assert.Same(Two[1].Group.Completions[0].Tokens, batch.Groups[1].Completions[0].Tokens);
        Assert.Same(Two[1].Group.Completions[0].Logprobs, batch.Groups[1].Completions[0].SamplerLogprobs);
    }

    private static ScoredGroup Group(int id, double[] rewards, Completion[] completions) => new(
        new PromptItem($"item {id}", "", new Dictionary<string, string>()),
        [id, id, id],
        new GroupFinished(new GroupId(id), completions),
        rewards,
        [.. completions.Select(_ => "")]);

    private static Completion Done(int length, FinishReason reason) =>
        new(0, new SampledTokens(new int[length], new float[length], [new(default, 0)]), reason);
}
