using Rollout.Gpu.Tests.Execution;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>One kernel for all parameters of a bfloat16 model, against the step of each parameter on a CPU.</summary>
[Collection(GpuTests.Name)]
public sealed class FusedAdamWTests
{
    private static readonly long[][] Shapes = [[70000, 3], [5], [1], [64, 32]];

    public FusedAdamWTests() => GpuMachine.Require();

    [Fact]
    public void Steps_are_those_of_each_parameter_on_a_CPU()
    {
        using var scope = NewDisposeScope();
        var (host, gpu) = (Parameters(CPU), Parameters(CudaPolicy.Gpu));
        var options = new AdamWOptions(0.9, 0.95, 1e-8, 0.1);
        using var expected = new AdamW(host, options);
        using var actual = new AdamW(gpu, options);
        for (var step = 0; step < 3; step++)
        {
            foreach (var (left, right) in host.Zip(gpu))
            {
                var gradient = Random(step, left.Value.shape, ScalarType.Float32);
                expected.GradientSum(left.Value).copy_(gradient);
                actual.GradientSum(right.Value).copy_(gradient);
            }

            Assert.Equal(1, actual.GradientNorm() / expected.GradientNorm(), 1e-5);
            expected.Step(1e-2, 0.5);
            actual.Step(1e-2, 0.5);
            Assert.Equal(0, actual.GradientNorm());
        }

        foreach (var (left, right) in host.Zip(gpu))
        {
            var difference = left.Value.sub(right.Value.cpu()).to(ScalarType.Float32).norm().item<float>();
            Assert.InRange(difference / left.Value.to(ScalarType.Float32).norm().item<float>(), 0, 1e-4);
        }
    }

    [Theory]
    [InlineData(1 << 16, 3)]
    [InlineData(1 << 18, 2)] // one chunk
    [InlineData(40_000, 1)]
    public void Steps_with_the_state_in_host_memory_are_the_same(int numbers, int slots)
    {
        using var scope = NewDisposeScope();
        var (plain, moved) = (Parameters(CudaPolicy.Gpu), Parameters(CudaPolicy.Gpu));
        var options = new AdamWOptions(0.9, 0.95, 1e-8, 0.1);
        using var expected = new AdamW(plain, options);
        using var actual = new AdamW(moved, options, new OffloadPlan(numbers, slots));
        for (var step = 0; step < 5; step++)
        {
            foreach (var (left, right) in plain.Zip(moved))
            {
                var gradient = Random(step, left.Value.shape, ScalarType.Float32);
                expected.GradientSum(left.Value).copy_(gradient);
                actual.GradientSum(right.Value).copy_(gradient);
            }

            expected.Step(1e-2, 0.5);
            actual.Step(1e-2, 0.5);
        }

        Assert.Null(actual.FirstBrokenState());
        Assert.All(plain.Zip(moved), pair => Assert.True(pair.First.Value.equal(pair.Second.Value).all().cpu().item<bool>()));
        Assert.Equal(Saved(expected), Saved(actual));
    }

    [Fact]
    public void A_weight_that_becomes_infinite_is_named()
    {
        using var scope = NewDisposeScope();
        var parameters = Parameters(CudaPolicy.Gpu);
        using var optimizer = new AdamW(parameters, new AdamWOptions(0.9, 0.95, 1e-8, 0.1));
        foreach (var parameter in parameters)
            optimizer.GradientSum(parameter.Value);
        using var infinity = double.PositiveInfinity.ToScalar();
        optimizer.GradientSum(parameters[3].Value).fill_(infinity);

        Assert.Equal(double.PositiveInfinity, optimizer.GradientNorm());
        var error = Assert.Throws<NotFiniteNumberException>(() => optimizer.Step(1e-2));

        Assert.StartsWith("p3 is not finite", error.Message, StringComparison.Ordinal);
    }

    private static byte[] Saved(AdamW optimizer)
    {
        using var folder = new TemporaryFolder();
        optimizer.Save(folder.At("state.safetensors"));
        return File.ReadAllBytes(folder.At("state.safetensors"));
    }

    private static List<OptimizedParameter> Parameters(Device device) =>
    [
        .. Shapes.Select((shape, i) => new OptimizedParameter(
            $"p{i}", Random(10 + i, shape, ScalarType.BFloat16).to(device), Decays: i % 2 == 0)),
    ];

    private static Tensor Random(int seed, long[] shape, ScalarType dtype)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, generator: generator).to(dtype);
    }
}
