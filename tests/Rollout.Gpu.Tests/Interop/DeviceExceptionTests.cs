using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Interop;

/// <summary>What fails on a device, or because of it; needs none.</summary>
public sealed class DeviceExceptionTests
{
    private static readonly CudaDeviceInfo Hopper = new(0, "NVIDIA H200", 9, 0, 132, 227 << 10);

    private static readonly CudaDeviceInfo Small =
        Hopper with { Name = "NVIDIA RTX", ComputeMajor = 8, ComputeMinor = 6, SharedBytesPerBlock = 99 << 10 };

    [Fact]
    public void Every_exception_of_the_interop_is_a_device_exception()
    {
        var thrown = typeof(CudaException).Assembly.GetTypes()
            .Where(type => type.Namespace == typeof(CudaException).Namespace && type.IsSubclassOf(typeof(Exception)))
            .ToArray();

        Assert.Contains(typeof(CudaLibraryException), thrown);
        Assert.All(thrown, type => Assert.True(type.IsSubclassOf(typeof(DeviceException)), type.Name));
    }

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public void A_failed_step_becomes_a_device_fault_that_keeps_the_reason(DeviceException failure)
    {
        var fault = DeviceFaultException.Of("cuda:1", "failed in a step", failure);

        Assert.Equal($"cuda:1 failed in a step: {failure.Message}", fault.Message);
        Assert.Same(failure, fault.InnerException);
    }

    public static TheoryData<DeviceException> Failures => new()
    {
        new CudaLibraryException("cuBLASLt could not multiply: status 14 of cublasStatus_t."),
        new KernelCompileException("gate.cu", "error: identifier is undefined"),
        new LibTorchException("libtorch cannot tell a tensor's address."),
    };

    [Fact]
    public void A_device_fault_is_not_wrapped_again()
    {
        var fault = new DeviceFaultException("The KV pool can't be allocated.");

        Assert.Same(fault, DeviceFaultException.Of("cuda:0", "failed in a step", fault));
    }

    [Fact]
    public void An_old_device_is_refused_with_its_name_and_capability()
    {
        var old = Hopper with { Name = "Tesla T4", ComputeMajor = 7, ComputeMinor = 5 };

        var error = Assert.Throws<UnsupportedDeviceException>(() => KernelLibrary.RequireSupported(old, Shape(128)));

        Assert.Equal(
            "The GPU kernels need compute capability 8.0 (Ampere) or newer, and Tesla T4 has 7.5.", error.Message);
    }

    [Fact]
    public void A_device_with_too_little_shared_memory_for_the_heads_is_refused()
    {
        var error = Assert.Throws<UnsupportedDeviceException>(() => KernelLibrary.RequireSupported(Small, Shape(256)));

        Assert.Contains("heads of 256 numbers", error.Message, StringComparison.Ordinal);
        Assert.Contains("NVIDIA RTX has 101376", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(64, 227 << 10, 4, 74_496)]
    [InlineData(64, 99 << 10, 4, 74_496)]
    [InlineData(128, 227 << 10, 3, 115_456)]
    [InlineData(128, 99 << 10, 2, 82_688)]
    public void Attention_keeps_as_many_tiles_in_flight_as_fit(int headDim, int sharedBytes, int stages, int bytes)
    {
        var device = Small with { SharedBytesPerBlock = sharedBytes };

        KernelLibrary.RequireSupported(device, Shape(headDim));

        Assert.Equal(stages, AttentionLaunch.Stages(Shape(headDim), sharedBytes));
        Assert.Equal(bytes, AttentionLaunch.SharedBytes(Shape(headDim), sharedBytes));
    }

    [Fact]
    public void A_hidden_size_beyond_shared_memory_is_refused_with_the_largest_that_fits()
    {
        RmsNormKernel.RequireSupported(Hopper, 40_960);
        RmsNormKernel.RequireSupported(Small, 25_088);

        Assert.Equal(
            "The norm keeps a row in shared memory, of which NVIDIA RTX has room for 25088 numbers, and hidden_size is "
            + "25089.",
            Assert.Throws<UnsupportedDeviceException>(() => RmsNormKernel.RequireSupported(Small, 25_089)).Message);
        Assert.Throws<UnsupportedDeviceException>(() => RmsNormKernel.RequireSupported(Hopper, 40_961));
    }

    [Fact]
    public void A_model_with_unsupported_heads_is_refused_on_any_device()
    {
        KernelLibrary.RequireSupported(Hopper, Shape(128));

        Assert.Throws<UnsupportedModelException>(() => KernelLibrary.RequireSupported(Hopper, Shape(100)));
    }

    private static KernelShape Shape(int headDim) => new(headDim, 16, 8, 16, ScalarType.BFloat16);
}
