using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

/// <summary>gather_rows, rms_norm and silu_mul against torch.</summary>
[Collection(GpuTests.Name)]
public sealed class ElementwiseKernelTests(GpuFixture gpu) : GpuTest(gpu)
{
    private const int GuardRows = 3;

    [Theory]
    [InlineData(1, 1, ScalarType.BFloat16)]
    [InlineData(5, 37, ScalarType.BFloat16)]
    [InlineData(300, 1024, ScalarType.BFloat16)]
    [InlineData(7, 4104, ScalarType.Float32)]
    [InlineData(0, 64, ScalarType.Float32)]
    public void Rows_are_gathered_by_index_and_padding_is_zero(int rows, int width, ScalarType dtype)
    {
        const int Named = 40; // rows of the table that an index may name; the others are NaN
        var table = Random(1, dtype, Named, width);
        var random = new Random(2);
        var indices = Enumerable.Range(0, rows).Select(i => i % 4 == 3 ? -1 : random.Next(Named)).ToArray();
        var result = Poisoned(dtype, rows + GuardRows, width);
        var deviceTable = cat([OnDevice(table), Poisoned(dtype, 10, width)]).contiguous();
        var deviceIndices = OnDevice(indices.Append(0).ToArray());

        Kernels(PlainShape(dtype)).Gather.Launch(
            Stream, At(deviceTable), At(deviceIndices), At(result), rows, width);

        AssertGuardUntouched(result);
        var actual = Read(result);
        for (var row = 0; row < rows; row++)
        {
            var expected = indices[row] < 0 ? zeros([width]) : table[indices[row]].to(ScalarType.Float32);
            Assert.True(actual[row].equal(expected).all().ToBoolean(), $"row {row}");
        }
    }

    [Theory]
    [InlineData(1, 1, ScalarType.BFloat16)]
    [InlineData(3, 37, ScalarType.BFloat16)]
    [InlineData(130, 1024, ScalarType.BFloat16)]
    [InlineData(9, 4096, ScalarType.BFloat16)]
    [InlineData(9, 20000, ScalarType.Float32)]
    [InlineData(33, 999, ScalarType.Float32)]
    [InlineData(0, 64, ScalarType.BFloat16)]
    public void The_norm_of_a_row_is_that_of_the_model(int rows, int width, ScalarType dtype)
    {
        var (x, weight) = (Guarded(Random(1, dtype, rows, width)), OnDevice(Random(2, dtype, width)));
        var result = Poisoned(dtype, rows + GuardRows, width);

        Kernels(PlainShape(dtype)).Norm.Normalize(Stream, At(x), At(weight), At(result), rows, width, 1e-6f);

        AssertRounded(Norm(Computed(x), weight, 1e-6, dtype), result, dtype);
    }

    [Theory]
    [InlineData(1, 8, ScalarType.BFloat16)]
    [InlineData(64, 1024, ScalarType.BFloat16)]
    [InlineData(5, 37, ScalarType.BFloat16)]
    [InlineData(5, 2048, ScalarType.Float32)]
    [InlineData(0, 64, ScalarType.BFloat16)]
    public void A_sum_is_kept_in_the_residual_and_normed(int rows, int width, ScalarType dtype)
    {
        var (x, residual) = (Guarded(Random(1, dtype, rows, width)), Guarded(Random(3, dtype, rows, width)));
        var weight = OnDevice(Random(2, dtype, width));
        var sum = Computed(residual).add(Computed(x));

        Kernels(PlainShape(dtype)).Norm.AddNormalize(
            Stream, At(x), At(residual), At(weight), At(x), rows, width, 1e-5f);

        Assert.True(Read(Computed(residual)).equal(Read(sum)).all().ToBoolean());
        AssertGuardUntouched(residual);
        AssertRounded(Norm(sum, weight, 1e-5, dtype), x, dtype);
    }

    [Theory]
    [InlineData(1, 1, ScalarType.BFloat16)]
    [InlineData(3, 37, ScalarType.BFloat16)]
    [InlineData(70, 3072, ScalarType.BFloat16)]
    [InlineData(2, 12288, ScalarType.Float32)]
    [InlineData(2, 65, ScalarType.Float32)]
    [InlineData(0, 65, ScalarType.Float32)]
    public void The_gate_is_silu_times_up(int rows, int width, ScalarType dtype)
    {
        var both = Guarded(Random(1, dtype, rows, 2 * width).mul(4));
        var result = Poisoned(dtype, rows + GuardRows, width);

        Kernels(PlainShape(dtype)).Gate.Launch(Stream, At(both), At(result), rows, width);

        var halves = Computed(both).chunk(2, -1);
        AssertRounded(nn.functional.silu(halves[0]).mul(halves[1]), result, dtype);
    }

    [Fact]
    public void A_recorded_chain_of_kernels_gives_the_same_bits()
    {
        const int Rows = 700, Width = 512, Links = 60;
        var kernels = Kernels(PlainShape(ScalarType.BFloat16));
        var weight = OnDevice(Random(2, ScalarType.BFloat16, Width));
        // Row i comes from row i − 1 next time, which another multiprocessor wrote.
        var indices = OnDevice([.. Enumerable.Range(0, Rows).Select(row => (row + Rows - 1) % (Rows / 2))]);
        float[] Chain(bool asGraph)
        {
            var x = OnDevice(Random(1, ScalarType.BFloat16, Rows, Width));
            var (residual, gated) = (zeros_like(x), zeros([Rows / 2, Width], ScalarType.BFloat16, CUDA));
            void Launch()
            {
                for (var link = 0; link < Links; link++)
                {
                    kernels.Norm.AddNormalize(Stream, At(x), At(residual), At(weight), At(x), Rows, Width, 1e-6f);
                    kernels.Gate.Launch(Stream, At(x), At(gated), Rows / 2, Width);
                    kernels.Gather.Launch(Stream, At(gated), At(indices), At(x), Rows, Width);
                }
            }

            if (!asGraph)
            {
                Launch();
                return Numbers(residual);
            }

            using var graph = CudaGraph.Capture(Stream, Launch);
            graph.Launch(Stream);
            return Numbers(residual);
        }

        Assert.Equal(Chain(asGraph: false), Chain(asGraph: true));
    }

    private static Tensor Norm(Tensor x, Tensor weight, double epsilon, ScalarType dtype)
    {
        using var norm = new RootMeanSquare((int)x.size(-1), epsilon, dtype, CUDA);
        return norm.Normalize(x).mul(weight);
    }

    // The same rows on the device, and NaN behind them: nothing of it is to be read into a result, or to be written.
    private static Tensor Guarded(Tensor rows) =>
        cat([OnDevice(rows), Poisoned(rows.dtype, GuardRows, rows.size(1))]).contiguous();

    private static Tensor Computed(Tensor guarded) => guarded.narrow(0, 0, guarded.size(0) - GuardRows);

    private void AssertGuardUntouched(Tensor guarded) =>
        Assert.True(Read(guarded.narrow(0, guarded.size(0) - GuardRows, GuardRows)).isnan().all().ToBoolean());

    // Equal but for where another order of additions or another exponential rounds to the neighbour; rows of NaN follow.
    private void AssertRounded(Tensor expected, Tensor guarded, ScalarType dtype)
    {
        AssertGuardUntouched(guarded);
        if (expected.numel() == 0)
            return;
        var (left, right) = (Read(expected), Read(Computed(guarded)));
        Assert.InRange(Error(right, left), 0, dtype == ScalarType.BFloat16 ? 1e-3 : 1e-6);
        var different = left.ne(right).to(ScalarType.Float32).mean().ToDouble();
        if (dtype == ScalarType.BFloat16)
            Assert.InRange(different, 0, 0.02);
    }
}
