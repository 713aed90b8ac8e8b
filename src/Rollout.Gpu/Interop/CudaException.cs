using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Interop;

/// <summary>
/// A call of NVIDIA's driver failed. The message names the operation, and the driver's own name and text for the error.
/// </summary>
internal sealed class CudaException : DeviceException
{
    private const int OutOfMemory = 2; // CUDA_ERROR_OUT_OF_MEMORY

    private CudaException(int result, string message)
        : base(message) => IsOutOfMemory = result == OutOfMemory;

    public override bool IsOutOfMemory { get; }

    /// <summary>Throws unless a driver call succeeded.</summary>
    /// <param name="result">The CUresult that the call returned.</param>
    /// <param name="operation">What was tried: the words after "CUDA cannot".</param>
    /// <exception cref="CudaException">The call failed.</exception>
    internal static void Check(int result, string operation)
    {
        if (result != 0)
            throw new CudaException(result, Sentence(result, operation));
    }

    private static string Sentence(int result, string operation)
    {
        _ = CudaDriver.cuGetErrorName(result, out var name);
        _ = CudaDriver.cuGetErrorString(result, out var text);
        return $"CUDA cannot {operation}: {Marshal.PtrToStringUTF8(name) ?? $"error {result}"}, "
            + $"{Marshal.PtrToStringUTF8(text) ?? "which this driver does not know"}.";
    }
}
