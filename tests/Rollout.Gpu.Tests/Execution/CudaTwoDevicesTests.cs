using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

[Collection(GpuTests.Name)]
public sealed class CudaTwoDevicesTests
{
    private static readonly SamplingParams Sampled = new() { MaxTokens = 1, Seed = 11 };
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public CudaTwoDevicesTests() => GpuMachine.Require();

    [Fact]
    public async Task Runners_on_two_devices_decode_together_and_get_the_CPUs_tokens()
    {
        Assert.SkipWhen(cuda.device_count() < 2, "There is no second GPU that libtorch can use.");
        using var cpu = TinyPolicy.Create(seed: 6);
        using var first = CudaPolicy.Copy(cpu.Model, ScalarType.Float32);
        using var second = CudaPolicy.Copy(cpu.Model, ScalarType.Float32, ordinal: 1);
        var prompts = TinyPolicy.Prompts(new Random(4), [9, 30, 70, 333]);
        using var host = TinyPolicy.Paged(cpu, 600, 16);
        var expected = Tokens(new StepDriver(host).Generate(prompts, 8, Sampled, i => 3 + i));
        using var ready = new Barrier(2);
        int[][] Decode(PolicyWeights weights, int ordinal)
        {
            using var runner = CudaPolicy.Runner(weights, ordinal: ordinal);
            Assert.True(ready.SignalAndWait(Patience), "The other runner was not made.");
            return Tokens(new StepDriver(runner).Generate(prompts, 8, Sampled, i => 3 + i));
        }

        // A device is current to a thread, and stays so: threads of their own, which no other test runs on.
        Task<int[][]> Start(PolicyWeights weights, int ordinal) => Task.Factory.StartNew(
            () => Decode(weights, ordinal), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        var tokens = await Task.WhenAll(Start(first, 0), Start(second, 1));

        Assert.Equal(expected, tokens[0]);
        Assert.Equal(expected, tokens[1]);
    }

    private static int[][] Tokens(Generated[] sequences) => [.. sequences.Select(one => one.Tokens.ToArray())];
}
