using Rollout.Gpu.Models;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Models;

public sealed class RmsNormTests
{
    [Fact]
    public void The_norm_is_the_formula_row_by_row()
    {
        using var scope = NewDisposeScope();
        using var norm = new RmsNorm(3, 0.1, ScalarType.Float32, CPU);
        using (no_grad())
            norm.Weight.copy_(tensor(new float[] { 1, 2, -0.5f }));
        float[,] rows = { { 1, -2, 3 }, { 0.1f, 0, 0 } };

        var normed = norm.Forward(tensor(rows)).detach();
        for (var row = 0; row < 2; row++)
        {
            double[] x = [rows[row, 0], rows[row, 1], rows[row, 2]];
            var root = Math.Sqrt(x.Average(value => value * value) + 0.1);
            double[] expected = [x[0] / root, 2 * x[1] / root, -0.5 * x[2] / root];
            for (var i = 0; i < 3; i++)
                Assert.Equal(expected[i], normed[row, i].item<float>(), 1e-6);
        }
    }

    [Fact]
    public void In_bfloat16_the_mean_is_taken_in_single_precision()
    {
        // 4096 squares of 1 added up in bfloat16 stop at 256, and the root would be a quarter of what it is.
        using var scope = NewDisposeScope();
        using var norm = new RmsNorm(4096, 1e-6, ScalarType.BFloat16, CPU);
        var normed = norm.Forward(ones(1, 4096, dtype: ScalarType.BFloat16));

        Assert.Equal(ScalarType.BFloat16, normed.dtype);
        Assert.Equal(1f, normed.to(ScalarType.Float32)[0, 17].item<float>());
    }
}
