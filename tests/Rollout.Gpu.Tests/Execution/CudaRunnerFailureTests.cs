using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Xunit;
using static Rollout.Gpu.Tests.Execution.TinyPolicy;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>What a runner on a GPU refuses, what fails in it, and that the device outlives both.</summary>
[Collection(GpuTests.Name)]
public sealed class CudaRunnerFailureTests
{
    private static readonly SamplingParams Sampled = new() { MaxTokens = 1, Seed = 11 };

    public CudaRunnerFailureTests() => GpuMachine.Require();

    [Fact]
    public void A_sleeping_runner_starts_nothing()
    {
        using var cpu = Create(seed: 8);
        using var weights = CudaPolicy.Copy(cpu.Model, ScalarType.BFloat16);
        using var runner = CudaPolicy.Runner(weights, sharesDevice: true);
        runner.Sleep();
        Assert.Throws<InvalidOperationException>(() => runner.Start(new ForwardBatch()));
    }

    [Fact]
    public void Weights_that_are_not_finite_fail_the_step_and_not_the_device()
    {
        using var cpu = Create(seed: 9);
        using var weights = CudaPolicy.Copy(cpu.Model, ScalarType.Float32);
        using var runner = CudaPolicy.Runner(weights);
        var prompts = Prompts(new Random(7), [12]);
        var before = new StepDriver(runner).Generate(prompts, 1, Sampled, _ => 4);
        using var noGrad = no_grad();
        using var kept = weights.Model.Stack.Norm.Weight.clone();
        weights.Model.Stack.Norm.Weight.fill_(float.NaN);
        cuda.synchronize();
        Assert.Throws<DrawFaultException>(() => new StepDriver(runner).Generate(prompts, 1, Sampled, _ => 4));
        weights.Model.Stack.Norm.Weight.copy_(kept);
        cuda.synchronize();
        var after = new StepDriver(runner).Generate(prompts, 1, Sampled, _ => 4);
        Assert.Equal(before[0].Tokens, after[0].Tokens);
    }

    [Fact]
    public void A_step_that_reads_a_failed_token_fails_too_and_later_ones_do_not()
    {
        using var cpu = Create(seed: 9);
        using var weights = CudaPolicy.Copy(cpu.Model, ScalarType.Float32);
        using var runner = CudaPolicy.Runner(weights);
        var prompt = Prompts(new Random(7), [12])[0];
        var before = new StepDriver(runner).Generate([prompt], 1, Sampled, _ => 4)[0];
        using var noGrad = no_grad();
        using var kept = weights.Model.Stack.Norm.Weight.clone();
        weights.Model.Stack.Norm.Weight.fill_(float.NaN);
        cuda.synchronize();
        runner.Start(CudaPolicy.Step(prompt, start: 0, before, Sampled));
        runner.Start(CudaPolicy.Step([~0], prompt.Length, before, Sampled)); // reads token -1
        Assert.Equal([0], Assert.Throws<DrawFaultException>(() => runner.Finish()).Draws);
        Assert.Equal([0], Assert.Throws<DrawFaultException>(() => runner.Finish()).Draws);
        weights.Model.Stack.Norm.Weight.copy_(kept);
        cuda.synchronize();
        var after = new StepDriver(runner).Generate([prompt], 1, Sampled, _ => 4)[0];
        Assert.Equal(before.Tokens, after.Tokens);
    }

    [Fact]
    public void Token_ids_outside_of_the_vocabulary_name_their_row_and_start_nothing()
    {
        using var cpu = Create(seed: 9);
        using var weights = CudaPolicy.Copy(cpu.Model, ScalarType.Float32);
        using var runner = CudaPolicy.Runner(weights);
        var prompt = Prompts(new Random(7), [12])[0];
        var before = new StepDriver(runner).Generate([prompt], 1, Sampled, _ => 4)[0];
        foreach (var bad in (int[])[Vocabulary, -1, int.MinValue])
        {
            int[] broken = [.. prompt[..5], bad, .. prompt[6..]];
            var fault = Assert.Throws<RowFaultException>(
                () => runner.Start(CudaPolicy.Step(broken, start: 0, before, Sampled)));
            Assert.Equal([0], fault.Rows);
        }

        var after = new StepDriver(runner).Generate([prompt], 1, Sampled, _ => 4)[0];
        Assert.Equal(before.Tokens, after.Tokens);
    }

    [Fact]
    public void A_disposed_runner_waits_for_its_running_steps()
    {
        using var cpu = Create(seed: 10);
        using var weights = CudaPolicy.Copy(cpu.Model, ScalarType.Float32);
        using var other = CudaPolicy.Runner(weights);
        var prompt = Prompts(new Random(8), [900])[0]; // a step long enough to be under way
        var before = new StepDriver(other).Generate([prompt], 1, Sampled, _ => 2)[0];
        using (var leaving = CudaPolicy.Runner(weights, blocks: 2, blockSize: 1024))
        {
            leaving.Start(CudaPolicy.Step(prompt, start: 0, before, Sampled));
            leaving.Start(CudaPolicy.Step([~0], prompt.Length, before, Sampled));
        }

        // A read of memory that is gone would have lost the context, for every runner.
        cuda.synchronize();
        var after = new StepDriver(other).Generate([prompt], 1, Sampled, _ => 2)[0];
        Assert.Equal(before.Tokens, after.Tokens);
    }
}
