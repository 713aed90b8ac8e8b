using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>Launches rms_norm.cu: the norm of every row, alone or after adding the row to a residual stream.</summary>
internal sealed class RmsNormKernel
{
    private const int MaxSharedBytes = 160 << 10;

    // Shared memory that the kernel uses besides the row.
    private const int StaticSharedBytes = 1 << 10;

    private readonly CudaFunction _norm;
    private readonly CudaFunction _addNorm;
    private readonly int _sharedBytes;

    public RmsNormKernel(CudaModule module, CudaDeviceInfo device)
    {
        _norm = module.Function("rms_norm");
        _addNorm = module.Function("add_rms_norm");
        _sharedBytes = SharedBytes(device);
        _norm.AllowDynamicShared(_sharedBytes);
        _addNorm.AllowDynamicShared(_sharedBytes);
    }

    /// <summary>Refuses a width whose rows don't fit a thread block's shared memory.</summary>
    /// <exception cref="UnsupportedDeviceException">The device has too little shared memory.</exception>
    public static void RequireSupported(CudaDeviceInfo device, int width)
    {
        var most = SharedBytes(device) / sizeof(float);
        if (width > most)
        {
            throw new UnsupportedDeviceException(
                $"The norm keeps a row in shared memory, of which {device.Name} has room for {most} numbers, and "
                + $"hidden_size is {width}.");
        }
    }

    /// <summary>result = norm(x) · weight.</summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="x">[rows, width].</param>
    /// <param name="weight">[width].</param>
    /// <param name="result">[rows, width], may be x.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="width">Numbers of a row, up to 40,960, or what the device has room for.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public void Normalize(
        CudaStream stream, nint x, nint weight, nint result, int rows, int width, float epsilon)
    {
        var arguments = default(KernelArguments);
        arguments.Add(x);
        arguments.Add(weight);
        arguments.Add(result);
        Launch(_norm, stream, ref arguments, rows, width, epsilon);
    }

    /// <summary>residual += x, rounded; result = norm(residual) · weight.</summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="x">[rows, width], may be the result.</param>
    /// <param name="residual">[rows, width], updated.</param>
    /// <param name="weight">[width].</param>
    /// <param name="result">[rows, width].</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="width">Numbers of a row, up to 40,960, or what the device has room for.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public void AddNormalize(
        CudaStream stream, nint x, nint residual, nint weight, nint result, int rows, int width, float epsilon)
    {
        var arguments = default(KernelArguments);
        arguments.Add(x);
        arguments.Add(residual);
        arguments.Add(weight);
        arguments.Add(result);
        Launch(_addNorm, stream, ref arguments, rows, width, epsilon);
    }

    /// <summary>Shared memory that the row of a thread block may take.</summary>
    public static int SharedBytes(CudaDeviceInfo device) =>
        Math.Min(MaxSharedBytes, device.SharedBytesPerBlock - StaticSharedBytes);

    private void Launch(
        CudaFunction function, CudaStream stream, ref KernelArguments arguments, int rows, int width, float epsilon)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width * sizeof(float), _sharedBytes, nameof(width));
        arguments.Add(width);
        arguments.Add(1f / width);
        arguments.Add(epsilon);
        var threads = Math.Clamp((width / 8 + 31) / 32 * 32, 32, 512);
        function.Launch((rows, 1), threads, width * sizeof(float), stream, arguments);
    }
}
