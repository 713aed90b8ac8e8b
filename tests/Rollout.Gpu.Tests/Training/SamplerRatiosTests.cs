using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

public sealed class SamplerRatiosTests
{
    [Fact]
    public void Each_sampled_token_of_a_step_of_several_updates_has_its_ratio_of_trainer_to_sampler()
    {
        var batch = TinyModel.Batch(6);
        var stats = Trained(TinyModel.Options with { MiniBatchPrompts = 1 }, batch);

        Assert.Equal(
            batch.Groups.SelectMany(group => group.Completions).Sum(completion => completion.Tokens.Length),
            stats.SamplerRatios.Length);
        double[] differences = [.. stats.SamplerRatios.Select(ratio => Math.Abs(Math.Log(ratio)))];
        Assert.Equal(stats.LogprobDifferenceMean, differences.Average(), 1e-9);
        Assert.Equal(stats.LogprobDifferenceMax, differences.Max(), 1e-9);
    }

    [Fact]
    public void A_step_of_one_update_keeps_no_ratios() =>
        Assert.Empty(Trained(TinyModel.Options, TinyModel.Batch(6)).SamplerRatios);

    private static TrainStats Trained(GrpoOptions options, TrainBatch batch)
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, options);
        return trainer.Train(batch);
    }
}
