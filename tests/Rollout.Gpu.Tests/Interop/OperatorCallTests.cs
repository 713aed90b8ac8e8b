using System.Runtime.InteropServices;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Interop;

public sealed class OperatorCallTests
{
    [Fact]
    public void An_operator_called_by_name_gives_all_its_results_and_leaves_its_arguments()
    {
        using var scope = NewDisposeScope();
        var (query, key, value) = (randn(1, 2, 5, 8), randn(1, 2, 5, 8), randn(1, 2, 5, 8));
        var bias = zeros(5, 5);

        var results = new OperatorCall("aten::_scaled_dot_product_flash_attention_for_cpu")
            .Add(query).Add(key).Add(value).Add(0.0).Add(value: false).AddOptional(bias)
            .Run(2);

        using var tolerance = 1e-5.ToScalar();
        var expected = nn.functional.scaled_dot_product_attention(query, key, value);
        Assert.Equal(2, results.Length);
        Assert.True(results[0].sub(expected).abs().lt(tolerance).all().item<bool>());
        Assert.Equal(25, bias.numel());
        var causal = new OperatorCall("aten::_scaled_dot_product_flash_attention_for_cpu")
            .Add(query).Add(key).Add(value).Add(0.0).Add(value: true)
            .Run(2);
        expected = nn.functional.scaled_dot_product_attention(query, key, value, is_casual: true);
        Assert.True(causal[0].sub(expected).abs().lt(tolerance).all().item<bool>());
    }

    [Fact]
    public void A_missing_operator_is_named()
    {
        var error = Assert.Throws<LibTorchException>(() => new OperatorCall("aten::_no_such_operator").Run(1));

        Assert.Contains("aten::_no_such_operator", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_operator_that_fails_without_the_memory_that_it_needs_is_out_of_memory()
    {
        var call = new OperatorCall("aten::_no_such_operator").Allocating(() => [empty(1L << 58)]);

        var error = Assert.ThrowsAny<ExternalException>(() => call.Run(1));

        Assert.True(MicroBatchBudget.IsOutOfMemory(error), error.Message);
    }

    [Fact]
    public void An_operator_that_fails_with_memory_to_spare_is_not_out_of_memory()
    {
        var call = new OperatorCall("aten::_no_such_operator").Allocating(() => [empty(8)]);

        Assert.False(MicroBatchBudget.IsOutOfMemory(Assert.Throws<LibTorchException>(() => call.Run(1))));
    }

    [Fact]
    public void A_tensor_over_memory_of_others_has_its_numbers()
    {
        using var scope = NewDisposeScope();
        var owner = arange(24, ScalarType.Float32);

        var view = TorchTensors.At(TorchTensors.Pointer(owner) + (6 * sizeof(float)), [3, 2], ScalarType.Float32, CPU);

        Assert.Equal([3, 2], view.shape);
        Assert.Equal([6, 7, 8, 9, 10, 11], view.data<float>().ToArray());
    }
}
