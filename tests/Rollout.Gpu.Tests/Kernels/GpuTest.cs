using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

/// <summary>
/// What tests of kernels share: random tensors, the way to the device and back, and the error that counts.
/// Everything lives in the test's dispose scope.
/// </summary>
public abstract class GpuTest : IDisposable
{
    private readonly DisposeScope _scope;
    private readonly GpuFixture _gpu;
    private readonly TorchStreamGuard _guard;

    protected GpuTest(GpuFixture gpu)
    {
        gpu.Require();
        _gpu = gpu;
        _scope = NewDisposeScope();
        _guard = new TorchStreamGuard(gpu.Stream, gpu.Context);
    }

    private protected CudaStream Stream => _gpu.Stream;

    private protected KernelLibrary Kernels(KernelShape shape, int? sharedBytes = null) =>
        _gpu.Kernels(shape, sharedBytes);

    private protected static KernelShape PlainShape(ScalarType dtype) => new(64, 4, 2, 16, dtype);

    /// <summary>Uniform in −1.5 … 1.5, as a number of the dtype can hold; on the CPU.</summary>
    protected static Tensor Random(int seed, ScalarType dtype, params long[] shape)
    {
        var random = new Random(seed);
        var numbers = new float[shape.Aggregate(1L, (a, b) => a * b)];
        foreach (ref var number in numbers.AsSpan())
            number = (3 * random.NextSingle()) - 1.5f;
        return tensor(numbers).view(shape).to(dtype);
    }

    /// <summary>A device tensor whose every number is NaN.</summary>
    protected static Tensor Poisoned(ScalarType dtype, params long[] shape)
    {
        using Scalar nan = float.NaN;
        return full(shape, nan, dtype, CUDA);
    }

    protected static Tensor OnDevice(Tensor tensor) => tensor.contiguous().cuda();

    protected static Tensor OnDevice(int[] numbers) => tensor(numbers, ScalarType.Int32).cuda();

    /// <summary>Waits for the device, then the tensor in float on the CPU.</summary>
    protected Tensor Read(Tensor tensor)
    {
        Stream.Synchronize();
        return tensor.to(ScalarType.Float32).cpu();
    }

    protected float[] Numbers(Tensor tensor) => Read(tensor).contiguous().data<float>().ToArray();

    protected int[] Ints(Tensor tensor)
    {
        Stream.Synchronize();
        return tensor.cpu().data<int>().ToArray();
    }

    protected static nint At(Tensor tensor) => TorchTensors.Pointer(tensor);

    /// <summary>‖actual − expected‖ / ‖expected‖, NaN where either has one.</summary>
    protected static double Error(Tensor actual, Tensor expected)
    {
        var difference = actual.to(ScalarType.Float64) - expected.to(ScalarType.Float64);
        return difference.norm().ToDouble() / Math.Max(expected.to(ScalarType.Float64).norm().ToDouble(), 1e-30);
    }

    /// <summary>A packed buffer on the device.</summary>
    private protected static Tensor Upload(int[] buffer) => OnDevice(buffer);

    public void Dispose()
    {
        _guard.Dispose();
        _scope.Dispose();
        GC.SuppressFinalize(this);
    }
}
