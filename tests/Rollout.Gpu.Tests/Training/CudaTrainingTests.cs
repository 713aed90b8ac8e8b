using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Tests.Execution;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>Sampling and training on one GPU by turns, against training on the CPU with the same rollouts.</summary>
[Collection(GpuTests.Name)]
public sealed class CudaTrainingTests
{
    private const int Steps = 3;

    public CudaTrainingTests() => GpuMachine.Require();

    [Theory]
    [InlineData(ScalarType.Float32, 1e-4, 1e-3, 0.01)]
    [InlineData(ScalarType.BFloat16, 0.05, 0.5, 0.5)]
    public void Steps_on_a_GPU_are_those_on_a_CPU_and_its_sampler_follows_its_trainer(
        ScalarType dtype, double lossTolerance, double logprobTolerance, double weightTolerance)
    {
        var options = TinyModel.Options with { NumIterations = 2, AdamEpsilon = 1e-3, LearningRate = 5e-3 };
        using var onHost = TinyPolicy.Create(seed: 41);
        using var onGpu = CudaPolicy.Copy(onHost.Model, dtype);
        using var runner = CudaPolicy.Runner(onGpu, sharesDevice: true);
        using var host = new PolicyTrainer(onHost, options);
        using var gpu = new PolicyTrainer(onGpu, options);
        var initial = TinyModel.Values(onGpu.Model);
        for (var step = 0; step < Steps; step++)
        {
            var batch = Rollouts(runner, step);
            runner.Sleep();

            var (expected, actual) = (host.Train(batch), gpu.Train(batch));

            Assert.Equal(expected.Loss, actual.Loss, lossTolerance);
            Assert.InRange(actual.GradientNorm / expected.GradientNorm, 1 - (10 * lossTolerance), 1 + (10 * lossTolerance));
            Assert.Equal(expected.TrainedTokens, actual.TrainedTokens);
            Assert.InRange(actual.LogprobDifferenceMax, 0, logprobTolerance);
            runner.LoadWeights(onGpu.Version);
            runner.Wake();
        }

        var final = TinyModel.Values(onGpu.Model);
        var moved = Distance(initial, final);
        Assert.True(moved > 0);
        Assert.InRange(Distance(TinyModel.Values(onHost.Model), final) / moved, 0, weightTolerance);
    }

    [Fact]
    public void Two_deterministic_trainings_on_a_GPU_are_equal_to_the_last_bit()
    {
        float[] Trained()
        {
            using var onHost = TinyPolicy.Create(seed: 41);
            using var onGpu = CudaPolicy.Copy(onHost.Model, ScalarType.BFloat16);
            using var trainer = new PolicyTrainer(onGpu, TinyModel.Options with { Deterministic = true });
            for (var step = 0; step < Steps; step++)
                trainer.Train(TinyModel.Batch(step, groups: 32, samples: 8));
            return TinyModel.Values(onGpu.Model);
        }

        try
        {
            Assert.Equal(Trained(), Trained());
        }
        finally
        {
            DeterministicAlgorithms.Set(enabled: false);
        }
    }

    // The reward is for even tokens.
    private static TrainBatch Rollouts(CudaModelRunner runner, int step)
    {
        var sampling = new SamplingParams { MaxTokens = 1, Seed = (ulong)step };
        var prompts = TinyPolicy.Prompts(new Random(step), [5, 20, 1, 33]);
        var generated = new StepDriver(runner).Generate(prompts, 4, sampling, i => 4 + (i % 7));
        return new TrainBatch(
        [
            .. generated.GroupBy(one => one.Group).Select(group => new TrainGroup(
                new GroupId(group.Key),
                prompts[group.Key],
                [
                    .. group.Select(one =>
                    {
                        int[] tokens = [.. one.Tokens.Skip(one.Prompt.Length)];
                        return new TrainCompletion(
                            tokens, [.. one.Logprobs], tokens.Average(token => 1 - (token % 2)));
                    }),
                ])),
        ]);
    }

    private static double Distance(float[] left, float[] right) =>
        Math.Sqrt(left.Zip(right).Sum(pair => Math.Pow(pair.First - pair.Second, 2)));
}
