using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Xunit;
using static Rollout.Gpu.Tests.Execution.TinyPolicy;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>Runs of many steps, planned as a decoder plans them, in a pool too small for all.</summary>
[Collection(GpuTests.Name)]
public sealed class PlannedRunTests
{
    private const int MaxNumSeqs = 64, MaxNumBatchedTokens = 256, MaxModelLength = 400;

    [Theory]
    [InlineData(16)]
    [InlineData(5)]
    public void On_a_CPU_preemption_changes_no_token_and_the_ledger_balances(int blockSize)
    {
        using var weights = Create(seed: 31);
        using var roomy = Paged(weights, 8000 / blockSize, blockSize);
        using var tight = Paged(weights, 700 / blockSize, blockSize);
        AssertSameTokens(roomy, tight);
    }

    [Theory]
    [InlineData(16, true)]
    [InlineData(16, false)]
    [InlineData(5, true)]
    public void On_a_GPU_preemption_changes_no_token_and_the_ledger_balances(int blockSize, bool graphs)
    {
        GpuMachine.Require();
        using var weights = Create(seed: 31);
        using var onGpu = CudaPolicy.Copy(weights.Model, ScalarType.Float32);
        using var roomy = Paged(weights, 8000 / blockSize, blockSize);
        using var tight = CudaPolicy.Runner(onGpu, 700 / blockSize, blockSize, graphs);
        AssertSameTokens(roomy, tight);
    }

    private static void AssertSameTokens(IModelRunner roomy, IModelRunner tight)
    {
        var (calm, pressed) = (Over(roomy), Over(tight));
        var expected = calm.Run(Groups());
        var actual = pressed.Run(Groups());

        Assert.Equal(0, calm.Preemptions);
        Assert.True(pressed.Preemptions > 0);
        Assert.Equal(expected.Select(one => one.Tokens), actual.Select(one => one.Tokens));
        foreach (var (one, other) in expected.Zip(actual))
            Assert.All(one.Logprobs.Zip(other.Logprobs), pair => Assert.Equal(pair.First, pair.Second, 1e-3));
    }

    private static PlannedRun Over(IModelRunner runner) => new(runner, MaxNumSeqs, MaxNumBatchedTokens, MaxModelLength);

    private static GroupRequest[] Groups() =>
    [
        .. TinyPolicy.Prompts(new Random(9), [40, 1, 130, 33, 16, 77]).Select((prompt, group) => new GroupRequest(
            new GroupId(group),
            prompt,
            [
                .. Enumerable.Range(0, 4).Select(sample => new SamplingParams { MaxTokens = 20 + (13 * sample), Seed = 5 }),
            ])),
    ];
}
