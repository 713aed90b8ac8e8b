using Rollout.Gpu.Execution;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>y = x Wᵀ + b in buffers, against double precision on the CPU.</summary>
[Collection(GpuTests.Name)]
public sealed class MatrixProductsTests
{
    public MatrixProductsTests() => GpuMachine.Require();

    [Theory]
    [InlineData(ScalarType.Float32, 1, 64, 96, false, 1e-6)]
    [InlineData(ScalarType.Float32, 17, 172, 61, true, 1e-6)]
    [InlineData(ScalarType.BFloat16, 1, 1024, 4096, false, 4e-3)]
    [InlineData(ScalarType.BFloat16, 48, 24, 61, true, 4e-3)]
    [InlineData(ScalarType.BFloat16, 256, 1024, 320, false, 4e-3)]
    [InlineData(ScalarType.BFloat16, 1088, 3072, 1024, true, 4e-3)]
    public void A_product_equals_that_in_double_precision(
        ScalarType dtype, int rows, int inputs, int outputs, bool hasBias, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var context = CudaContext.Open(0);
        using var stream = new CudaStream(context);
        using var products = new MatrixProducts(context, stream, dtype);
        using var projection = new Projection(inputs, outputs, hasBias, dtype, CudaPolicy.Gpu);
        projection.Weight.copy_(randn(outputs, inputs));
        projection.Bias?.copy_(randn(outputs));
        var room = MatrixProducts.Room(rows);
        var input = randn(room, inputs).to(dtype).to(CudaPolicy.Gpu);
        var expected = nn.functional.linear(
            input.cpu().to(ScalarType.Float64),
            projection.Weight.cpu().to(ScalarType.Float64),
            projection.Bias?.cpu().to(ScalarType.Float64));
        foreach (var wide in (bool[])(hasBias ? [false] : [false, true])) // only the head is wide, and it has no bias
        {
            var output = full([room, outputs], float.NaN, wide ? ScalarType.Float32 : dtype, CudaPolicy.Gpu);
            cuda.synchronize();
            products.Multiply(
                TorchTensors.Pointer(input), projection, TorchTensors.Pointer(output), rows, wide);
            stream.Synchronize();
            var (actual, wanted) = (output.cpu().to(ScalarType.Float64).narrow(0, 0, rows), expected.narrow(0, 0, rows));
            var error = (actual - wanted).norm() / wanted.norm();
            Assert.InRange(error.item<double>(), 0, wide ? Math.Min(tolerance, 1e-5) : tolerance);
        }
    }
}
