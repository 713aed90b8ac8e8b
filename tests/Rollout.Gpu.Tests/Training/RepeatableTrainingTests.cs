using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>
/// The same batches give the same weights, to the last bit. Not beside tests of a GPU: the switches are the
/// process's.
/// </summary>
[Collection(GpuTests.Name)]
public sealed class RepeatableTrainingTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void On_a_CPU_the_same_batches_give_the_same_weights_at_any_number_of_threads(int threads)
    {
        var before = get_num_threads();
        set_num_threads(threads);
        try
        {
            var expected = Trained(TinyModel.Options);
            for (var run = 0; run < 4; run++)
                Assert.Equal(expected, Trained(TinyModel.Options));
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void The_switch_for_deterministic_algorithms_changes_no_weight_on_a_CPU()
    {
        var expected = Trained(TinyModel.Options);
        Assert.False(DeterministicAlgorithms.AreEnabled);
        try
        {
            var actual = Trained(TinyModel.Options with { Deterministic = true });

            Assert.True(DeterministicAlgorithms.AreEnabled);
            Assert.Equal(expected, actual);
        }
        finally
        {
            DeterministicAlgorithms.Set(enabled: false);
        }
    }

    /// <summary>Weights after two steps over enough tokens that threads share each operation.</summary>
    private static float[] Trained(GrpoOptions options)
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, options with { MicroBatchTokens = 16384 });
        for (var step = 0; step < 2; step++)
            trainer.Train(TinyModel.Batch(step, groups: 64, samples: 8));
        return TinyModel.Values(weights.Model);
    }
}
