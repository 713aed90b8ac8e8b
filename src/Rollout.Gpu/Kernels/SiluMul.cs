using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>Launches silu_mul.cu, the gate of the MLP.</summary>
internal sealed class SiluMul(CudaModule module, KernelShape shape)
{
    private const int Threads = 256;

    private readonly CudaFunction _function = module.Function("silu_mul");
    private readonly int _perBlock = Threads * (16 / shape.ElementBytes);

    /// <summary>result = silu(gate) · up.</summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="gateUp">[rows, 2 · width]: gate, then up.</param>
    /// <param name="result">[rows, width].</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="width">Numbers in a row of the result.</param>
    public void Launch(CudaStream stream, nint gateUp, nint result, int rows, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        var arguments = default(KernelArguments);
        arguments.Add(gateUp);
        arguments.Add(result);
        arguments.Add(width);
        _function.Launch((rows, (width + _perBlock - 1) / _perBlock), Threads, 0, stream, arguments);
    }
}
