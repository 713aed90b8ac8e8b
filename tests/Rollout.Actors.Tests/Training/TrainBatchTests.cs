using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Training;

public sealed class TrainBatchTests
{
    private static readonly ScoredGroup[] Two =
    [
        Group(7, [1, 3], [Done(2, FinishReason.Stop), Done(6, FinishReason.Length)]),
        Group(9, [5, 7], [Done(4, FinishReason.Stop), Done(4, FinishReason.Length)]),
    ];

    [Fact]
    public void The_trainer_gets_each_completion_with_its_own_reward_and_log_probabilities()
    {
        var batch = new TrainBatch([.. Two.Select(group => group.ToTrainGroup())]);

        Assert.Equal([7, 9], batch.Groups.Select(group => group.Id.Value));
        Assert.Equal([7, 7, 7], batch.Groups[0].Prompt);
        Assert.Equal([1.0, 3, 5, 7], batch.Groups.SelectMany(group => group.Completions).Select(done => done.Reward));
        Assert.Same(Two[1].Group.Completions[0].Tokens, batch.Groups[1].Completions[0].Tokens);
        Assert.Same(Two[1].Group.Completions[0].Logprobs, batch.Groups[1].Completions[0].SamplerLogprobs);
        Assert.Same(Two[1].Group.Completions[0].SamplingLogprobs, batch.Groups[1].Completions[0].SamplingLogprobs);
        Assert.All(batch.Groups.SelectMany(group => group.Completions), done => Assert.NotNull(done.SamplingLogprobs));
    }

    private static ScoredGroup Group(int id, double[] rewards, Completion[] completions) => new(
        new PromptItem($"item {id}", "", new Dictionary<string, string>()),
        [id, id, id],
        new GroupFinished(new GroupId(id), completions),
        rewards,
        [.. completions.Select(_ => "")]);

    private static Completion Done(int length, FinishReason reason) =>
        new(0, new SampledTokens(new int[length], new float[length], [new(default, 0)], new float[length]), reason);
}
