using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>A KL term that is subtracted from the rewards.</summary>
public sealed class KlInRewardTests
{
    private const double Beta = 0.3;

    [Theory]
    [InlineData(LossType.Rloo)]
    [InlineData(LossType.ReinforcePlusPlus)]
    [InlineData(LossType.ReinforcePlusPlusBaseline)]
    public void A_step_is_that_of_rewards_that_had_it_subtracted_before(LossType type)
    {
        var recipe = LossRecipe.Of(type);
        var options = TinyModel.Options with { Loss = recipe, AdamEpsilon = 1, LearningRate = 0.1 };
        var batch = TinyModel.Batch(4);
        using var expected = TinyModel.Weights();
        using var actual = TinyModel.Weights();
        using var reference = TinyModel.Create(seed: 2);
        var before = TinyModel.Values(expected.Model);
        using var plain = new PolicyTrainer(expected, options);
        using var penalized = new PolicyTrainer(
            actual, options with { Loss = recipe with { Beta = Beta } }, reference: TinyModel.Create(seed: 2));

        plain.Train(Penalized(batch, expected.Model, reference));
        var stats = penalized.Train(batch);

        foreach (var (one, other) in TinyModel.Values(expected.Model).Zip(TinyModel.Values(actual.Model)))
            Assert.Equal(one, other, 1e-4);
        Assert.NotEqual(before, TinyModel.Values(actual.Model));
        Assert.NotEqual(0, stats.Kl);
    }

    /// <summary>Rewards R − β Σ_t (log π − log π_ref).</summary>
    private static TrainBatch Penalized(TrainBatch batch, CausalLm policy, CausalLm reference) => new(
    [
        .. batch.Groups.Select(group => group with
        {
            Completions =
            [
                .. group.Completions.Select(completion => completion with
                {
                    Reward = completion.Reward - (Beta * (Sum(policy, group.Prompt, completion.Tokens)
                        - Sum(reference, group.Prompt, completion.Tokens))),
                }),
            ],
        }),
    ]);

    private static double Sum(CausalLm model, int[] prompt, int[] completion)
    {
        var sequence = new TokenSequence(prompt, completion);
        using var scope = NewDisposeScope();
        using var input = new MicroBatchInput([sequence], sequence.InputLength, CPU);
        return new CompletionPass(model, temperature: 1, logitElements: 1 << 20).Logprobs(input).sum().item<float>();
    }
}
