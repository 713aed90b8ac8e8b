using Rollout.Gpu.Interop;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Interop;

public sealed class TorchTensorsTests
{
    [Fact]
    public unsafe void The_address_of_a_tensor_is_that_of_its_first_number()
    {
        using var scope = NewDisposeScope();
        var numbers = tensor(new float[] { 1, 2, 3, 4, 5, 6 }, [2, 3]);

        Assert.Equal(1f, *(float*)TorchTensors.Pointer(numbers));
        Assert.Equal(4f, *(float*)TorchTensors.Pointer(numbers[1]));
    }

    [Fact]
    public void Opening_a_device_works_or_names_what_is_missing()
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
