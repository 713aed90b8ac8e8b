using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Training;

public sealed class TrainingJobTests
{
    private static readonly TrainingJob Job = new()
    {
        Train = TestSettings.Train with { Steps = 20, PromptsPerStep = 16, NumGenerations = 8 },
        Eval = TestSettings.Eval with { Prompts = 0 },
        Sampling = new SamplingParams { MaxTokens = 6, Seed = 9 },
        Tokenizer = new FakeTokenizer(),
        Dataset = new Prompts(heldOut: 3),
        CheckpointEvery = 0,
        CheckpointFolder = step => $"step-{step}",
    };

    [Fact]
    public void No_two_samples_of_a_run_draw_from_the_same_randomness()
    {
        var training = Enumerable.Range(0, Job.Train.Steps * Job.Train.PromptsPerStep)
            .SelectMany(cursor => Keys(Job.TrainingGroup(cursor).Request));
        var evaluation = Enumerable.Range(0, Job.Train.Steps + 1)
            .SelectMany(step => Job.EvaluationGroups(step)).SelectMany(group => Keys(group.Request));

        var keys = training.Concat(evaluation).ToArray();

        Assert.Equal(20 * 16 * 8 + 21 * 3, keys.Length);
        Assert.Equal(keys.Length, keys.Distinct().Count());
    }

    private static IEnumerable<ulong> Keys(GroupRequest group) => group.Samples.Select(
        (sampling, sample) => SamplingRng.SequenceKey(sampling.Seed, new SequenceId(group.Id, sample)));
}
