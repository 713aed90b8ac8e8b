using Rollout.Gpu.Interop;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Interop;

public sealed class TorchTensorsTests
{
    [Fact]
    public unsafe void A_tensor_over_foreign_memory_reads_and_writes_that_memory()
    {
        using var scope = NewDisposeScope();
        var numbers = stackalloc float[6] { 1, 2, 3, 4, 5, 6 };

        var over = TorchTensors.Over((nint)numbers, [2, 3], ScalarType.Float32, CPU);
        over.add_(1);

        Assert.Equal((nint)numbers, TorchTensors.Pointer(over));
        Assert.Equal([2f, 3, 4, 5, 6, 7], new ReadOnlySpan<float>(numbers, 6).ToArray());
        Assert.Equal([5f, 6, 7], over[1].data<float>().ToArray());
    }

    [Fact]
    public void Products_go_into_memory_that_is_there()
    {
        using var scope = NewDisposeScope();
        var (left, weight) = (tensor(new float[] { 1, 2, 3, 4 }, [2, 2]), tensor(new float[] { 5, 6, 7, 8 }, [2, 2]));
        var result = zeros([2, 2], ScalarType.Float32);
        var pointer = TorchTensors.Pointer(result);

        TorchTensors.MultiplyInto(result, left, weight.t());
        Assert.Equal([17f, 23, 39, 53], result.data<float>().ToArray());

        TorchTensors.MultiplyAddInto(result, tensor(new float[] { 100, 200 }), left, weight.t());
        Assert.Equal([117f, 223, 139, 253], result.data<float>().ToArray());
        Assert.Equal(pointer, TorchTensors.Pointer(result));
    }

    [Fact]
    public void A_product_whose_shapes_do_not_fit_is_refused()
    {
        using var scope = NewDisposeScope();

        Assert.Throws<LibTorchException>(
            () => TorchTensors.MultiplyInto(zeros([2, 2]), zeros([2, 3]), zeros([2, 3])));
    }

    [Fact]
    public void Opening_a_device_works_or_says_in_a_sentence_what_is_missing()
    {
        if (CudaContext.IsDriverPresent())
        {
            using var context = CudaContext.Open(0);
            Assert.True(context.MemoryInfo().Total > 0);
            return;
        }

        Assert.Contains("libcuda.so.1", Assert.Throws<LibTorchException>(() => CudaContext.Open(0)).Message,
            StringComparison.Ordinal);
    }
}
