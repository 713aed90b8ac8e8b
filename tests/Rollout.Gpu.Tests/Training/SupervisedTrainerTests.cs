using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class SupervisedTrainerTests
{
    private static readonly SupervisedOptions Options = new() { LearningRate = 1e-2, MicroBatchTokens = 16 };

    private static readonly (int[] Prompt, int[] Completion)[] Pairs =
    [
        ([1, 2], [3, 4, 5]), ([6], [7]), ([8, 9, 10], [11, 12]), ([13, 14], []),
    ];

    [Fact]
    public void The_loss_is_the_mean_cross_entropy_of_the_completion_tokens()
    {
        using var model = TinyModel.Create();
        using var trainer = new SupervisedTrainer(model, Options);
        var expected = 0.0;
        foreach (var (prompt, completion) in Pairs.SkipLast(1))
        {
            var sequence = new TokenSequence(prompt, completion);
            using var input = new MicroBatchInput([sequence], sequence.InputLength, CPU);
            using var logprobs = new CompletionPass(model, temperature: 1, logitElements: 1).Logprobs(input);
            expected -= logprobs.data<float>().ToArray().Sum();
        }

        Assert.Equal(expected / 6, trainer.Step(Pairs), 1e-5);
    }

    [Fact]
    public void Pairs_are_learned_by_heart()
    {
        using var model = TinyModel.Create();
        using var trainer = new SupervisedTrainer(model, Options);
        var first = trainer.Step(Pairs);
        for (var step = 0; step < 60; step++)
            trainer.Step(Pairs);

        Assert.True(trainer.Step(Pairs) < 0.1 * first);
    }

    [Fact]
    public void The_split_into_micro_batches_changes_nothing_but_rounding()
    {
        using var whole = TinyModel.Create();
        using var split = TinyModel.Create();
        using var atOnce = new SupervisedTrainer(whole, Options with { MicroBatchTokens = 1000 });
        using var oneByOne = new SupervisedTrainer(split, Options with { MicroBatchTokens = 1 });

        Assert.Equal(atOnce.Step(Pairs), oneByOne.Step(Pairs), 1e-5);
        Assert.Equal(atOnce.Step(Pairs), oneByOne.Step(Pairs), 1e-3);
    }

    [Fact]
    public void A_batch_without_anything_to_learn_is_refused()
    {
        using var model = TinyModel.Create();
        using var trainer = new SupervisedTrainer(model, Options);

        Assert.Throws<ArgumentException>(() => trainer.Step([([1], [])]));
        Assert.Throws<ArgumentException>(() => trainer.Step([([], [1])]));
        var unknown = Assert.Throws<ArgumentException>(() => trainer.Step([([1], [23])]));
        Assert.Contains("Token 23", unknown.Message, StringComparison.Ordinal);
    }
}
