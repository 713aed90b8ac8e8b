using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Training;

public sealed class EvaluationRoundTests
{
    private static readonly TrainingJob Job = new()
    {
        Train = TestSettings.Train with { Steps = 20, PromptsPerStep = 16, NumGenerations = 8 },
        Eval = TestSettings.Eval with { Prompts = 0, Samples = 3, Temperature = 0.5, PassAt = [1, 3] },
        Sampling = new SamplingParams { MaxTokens = 6, Seed = 9, TopK = 7 },
        Tokenizer = new FakeTokenizer(),
        Dataset = new Prompts(heldOut: 3),
        FurtherSets = [new EvalSet("hard", new Prompts(heldOut: 2).HeldOut)],
        CheckpointEvery = 0,
        CheckpointFolder = step => $"step-{step}",
    };

    private static readonly EvaluationRound Round = new(Job);

    [Fact]
    public void A_group_has_a_greedy_sample_and_those_at_the_temperature()
    {
        var groups = Round.Groups(step: 0).ToArray();

        Assert.Equal([500, 501, 502, 500, 501], groups.Select(group => group.Request.Prompt[0]));
        Assert.All(groups, group =>
        {
            Assert.Equal([0, 0.5f, 0.5f, 0.5f], group.Request.Samples.Select(sample => sample.Temperature));
            Assert.Equal([0, 7, 7, 7], group.Request.Samples.Select(sample => sample.TopK));
        });
    }

    [Fact]
    public void No_two_samples_of_training_sets_and_steps_draw_from_the_same_randomness()
    {
        var training = Enumerable.Range(0, Job.Train.Steps * Job.Train.PromptsPerStep)
            .SelectMany(cursor => Keys(Job.TrainingGroup(cursor).Request));
        var evaluation = Enumerable.Range(0, Job.Train.Steps + 1)
            .SelectMany(step => Round.Groups(step)).SelectMany(group => Keys(group.Request));

        var keys = training.Concat(evaluation).ToArray();

        Assert.Equal((20 * 16 * 8) + (21 * 5 * 4), keys.Length);
        Assert.Equal(keys.Length, keys.Distinct().Count());
    }

    [Fact]
    public void A_set_more_leaves_the_samples_of_the_other_sets_as_they_are()
    {
        var alone = new EvaluationRound(Job with { FurtherSets = [] });

        for (var step = 0; step < 3; step++)
            Assert.Equal(alone.Groups(step).Select(Id), Round.Groups(step).Take(3).Select(Id));

        static GroupId Id((PromptItem Item, GroupRequest Request) group) => group.Request.Id;
    }

    [Fact]
    public void Each_set_is_judged_by_its_own_groups()
    {
        // Prompts of the first set, then of the second; the greedy sample comes first.
        var result = Round.Result(Scored(
            [[1, 1, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1], [1, 0, 0, 0]]));

        Assert.Equal([EvalSetSettings.HeldOut, "hard"], result.Sets.Select(set => set.Name));
        Assert.Equal([1 / 3.0, 1.0], result.Sets.Select(set => set.Accuracy));
        Assert.Equal(result.Sets[0].Accuracy, result.Accuracy);
        Assert.Equal([4 / 9.0, 1 / 6.0], result.Sets.Select(set => set.Sampled!.Mean));
        Assert.Equal([1, 3], result.Sets[0].Sampled!.PassAt.Select(one => one.K));
        Assert.Equal(4 / 9.0, result.Sets[0].Sampled!.PassAt[0].Share, 12);
        Assert.Equal(2 / 3.0, result.Sets[0].Sampled!.PassAt[1].Share, 12);
        Assert.Equal([true, false, false, true], result.Sets[1].Groups[0].Right);
    }

    [Fact]
    public void Without_further_samples_there_is_only_the_greedy_accuracy()
    {
        var round = new EvaluationRound(Job with { Eval = TestSettings.Eval });

        Assert.All(round.Groups(0), group => Assert.Equal(0, Assert.Single(group.Request.Samples).Temperature));
        Assert.All(round.Result(Scored([[1], [0], [1], [1], [0]], round)).Sets, set => Assert.Null(set.Sampled));
    }

    [Fact]
    public void Failed_groups_are_left_out_and_a_set_of_nothing_else_is_an_error()
    {
        Assert.Equal(0.5, Round.Result(Scored([null, [1, 0, 0, 0], [0, 0, 0, 0], null, [1, 0, 0, 0]])).Accuracy);

        var fault = Assert.Throws<InvalidOperationException>(
            () => Round.Result(Scored([null, [1, 0, 0, 0], [0, 0, 0, 0], null, null])));
        Assert.Equal("all 2 groups of the evaluation on hard failed, the first with: no room for 3", fault.Message);
    }

    /// <summary>A round of which each group has these rewards; null fails.</summary>
    private static RoundGroups Scored(double[]?[] rewards, EvaluationRound? round = null)
    {
        var groups = new RoundGroups();
        foreach (var (number, (item, request)) in (round ?? Round).Groups(step: 4).Index())
        {
            groups.Expect(item, request);
            if (rewards[number] is not { } given)
            {
                groups.Fail(request.Id, $"no room for {number}");
                continue;
            }
            var sampled = new SampledTokens([1, 2], [-1, -2], [new VersionSpan(default, 0)]);
            groups.Finish(new GroupFinished(
                request.Id, [.. request.Samples.Select((_, i) => new Completion(i, sampled, FinishReason.Stop))]));
            groups.AddRewards(new GroupScored(request.Id, given, [.. given.Select(_ => "")]));
        }
        return groups;
    }

    private static IEnumerable<ulong> Keys(GroupRequest group) => group.Samples.Select(
        (sampling, sample) => SamplingRng.SequenceKey(sampling.Seed, new SequenceId(group.Id, sample)));
}
