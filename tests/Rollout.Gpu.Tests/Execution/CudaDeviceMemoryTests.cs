using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>What the driver says is free of the device's memory, around steps and around a sleep.</summary>
[Collection(GpuTests.Name)]
public sealed class CudaDeviceMemoryTests : IDisposable
{
    private const long TrainingBytes = 2L << 30;

    private const int MaxNumSeqs = 64, MaxNumBatchedTokens = 2048, MaxModelLength = CudaPolicy.MaxPositions;

    private readonly PolicyWeights _weights;
    private readonly CudaMemory _memory;

    public CudaDeviceMemoryTests()
    {
        GpuMachine.Require();
        _memory = new CudaMemory(0);
        _weights = CudaPolicy.Wide(layers: 3);
        _memory.Trim();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Steps_allocate_nothing_on_the_device(bool graphs)
    {
        using var runner = Runner(blocks: 500, graphs);
        var before = _memory.Read();
        var (products, recorded) = (runner.ProductCount, runner.GraphCount);
        var run = new PlannedRun(runner, MaxNumSeqs, MaxNumBatchedTokens, MaxModelLength);

        run.Run(Groups());

        Assert.True(run.Preemptions > 0 && run.MixedSteps > 0 && run.DecodeSteps > 100);
        Assert.Equal(before.Free, _memory.Read().Free);
        Assert.Equal(before.InUse, _memory.Read().InUse);
        Assert.Equal((products, recorded), (runner.ProductCount, runner.GraphCount));
        Assert.Equal(graphs ? BatchLadder.Sizes(MaxNumSeqs).Count() : 0, recorded);
    }

    [Fact]
    public void Sleep_gives_the_pools_memory_back_and_graphs_work_after_wake()
    {
        using var runner = Runner(blocks: 20_000, graphs: true);
        var prompts = TinyPolicy.Prompts(new Random(6), [40, 3, 300]);
        Generated[] Generate() =>
            new StepDriver(runner).Generate(prompts, 3, new SamplingParams { MaxTokens = 1 }, _ => 12);
        var expected = Generate();
        var (awake, recorded) = (_memory.Read(), runner.GraphCount);
        for (var round = 0; round < 2; round++)
        {
            runner.Sleep();
            Assert.InRange(_memory.Read().Free - awake.Free, runner.PoolBytes, long.MaxValue);

            runner.Wake();
            Assert.Equal(awake.Free, _memory.Read().Free);
            Assert.Equal(recorded, runner.GraphCount);
            var actual = Generate();
            Assert.Equal(awake.Free, _memory.Read().Free); // nothing was recorded anew
            Assert.Equal(expected.Select(one => one.Tokens), actual.Select(one => one.Tokens));
            Assert.Equal(expected.Select(one => one.Logprobs), actual.Select(one => one.Logprobs));
        }
    }

    [Fact]
    public void Memory_that_training_freed_stays_with_it_where_the_pool_has_room()
    {
        using var runner = Runner(blocks: 20_000, graphs: false);
        runner.Sleep();
        TakeAndFree();
        var kept = _memory.Read();
        Assert.InRange(kept.Reserved - kept.InUse, TrainingBytes, long.MaxValue);

        runner.Wake();

        Assert.InRange(_memory.Read().Reserved - _memory.Read().InUse, TrainingBytes, long.MaxValue);
    }

    [Fact]
    public void Memory_that_training_freed_goes_where_another_needs_it()
    {
        TakeAndFree();
        var needed = _memory.Read().Free + (TrainingBytes / 4);

        _memory.MakeRoom(needed);

        Assert.InRange(_memory.Read().Free, needed, needed + TrainingBytes);
    }

    [Fact]
    public void The_peak_includes_a_pool_that_was_given_back()
    {
        using var runner = Runner(blocks: 20_000, graphs: false);
        var slack = runner.PoolBytes / 2;
        _memory.StartPeak();
        var awake = _memory.Read().InUse;

        runner.Sleep();
        Assert.InRange(_memory.Read().InUse, 0, awake - slack);
        Assert.InRange(_memory.Read().Peak, awake - slack, long.MaxValue);

        _memory.StartPeak();
        Assert.InRange(_memory.Read().Peak, 0, awake - slack);
    }

    public void Dispose()
    {
        _weights.Dispose();
        _memory.Dispose();
    }

    private static void TakeAndFree()
    {
        using (empty(TrainingBytes, ScalarType.Byte, CUDA))
            TorchTensors.Synchronize(CUDA);
        TorchTensors.Synchronize(CUDA);
    }

    private CudaModelRunner Runner(int blocks, bool graphs) => new(_weights, new CudaRunnerOptions
    {
        Ordinal = 0,
        BlockSize = 16,
        BlockCount = blocks,
        MemoryUtilization = 0.1,
        MaxNumSeqs = MaxNumSeqs,
        MaxNumBatchedTokens = MaxNumBatchedTokens,
        MaxModelLength = MaxModelLength,
        UsesGraphs = graphs,
        SharesDevice = true,
    });

    // Prompts of all lengths, alone and in groups, every way of sampling, ends that come one by one.
    private static GroupRequest[] Groups()
    {
        var random = new Random(3);
        return
        [
            .. Enumerable.Range(0, 60).Select(group => new GroupRequest(
                new GroupId(group),
                TinyPolicy.Prompts(random, [random.Next(1, 600)])[0],
                [
                    .. Enumerable.Range(0, random.Next(1, 6)).Select(sample => new SamplingParams
                    {
                        MaxTokens = random.Next(1, 300),
                        Seed = 7,
                        TopK = group % 3 == 1 ? 20 : 0,
                        TopP = group % 3 == 2 ? 0.9f : 1,
                    }),
                ])),
        ];
    }
}
