using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Interop;

/// <summary>
/// A call of NVIDIA's driver failed. The message names the call and the driver's own name and text for the
/// error.
/// </summary>
internal sealed class CudaException : DeviceException
{
    private const int OutOfMemory = 2;
    private const int NotReady = 600;

    // CUDA_ERROR_ILLEGAL_ADDRESS to CUDA_ERROR_LAUNCH_FAILED, ECC_UNCORRECTABLE and UNKNOWN: the context is
    // lost, and every later call fails likewise.
    private const int FirstSticky = 700;
    private const int LastSticky = 719;
    private const int EccUncorrectable = 214;
    private const int Unknown = 999;

    private CudaException(int code, string message)
        : base(message) => Code = code;

    /// <summary>The driver's CUresult.</summary>
    public int Code { get; }

    /// <inheritdoc/>
    public override bool IsOutOfMemory => Code == OutOfMemory;

    /// <summary>The device's context can no longer be used in this process.</summary>
    public bool IsSticky => Code is >= FirstSticky and <= LastSticky or EccUncorrectable or Unknown;

    /// <summary>Throws where a driver call did not succeed.</summary>
    /// <param name="result">What it returned.</param>
    /// <param name="operation">What was tried, to go after "CUDA cannot".</param>
    /// <exception cref="CudaException">It failed.</exception>
    internal static void Check(int result, string operation)
    {
        if (result != 0)
            throw new CudaException(result, Sentence(result, operation));
    }

    /// <summary>Whether work is done, from a query's result.</summary>
    internal static bool IsDone(int result, string operation)
    {
        if (result == NotReady)
            return false;
        Check(result, operation);
        return true;
    }

    private static string Sentence(int result, string operation)
    {
        _ = CudaDriver.cuGetErrorName(result, out var name);
        _ = CudaDriver.cuGetErrorString(result, out var text);
        return $"CUDA cannot {operation}: {Marshal.PtrToStringUTF8(name) ?? $"error {result}"}, "
            + $"{Marshal.PtrToStringUTF8(text) ?? "which this driver does not know"}.";
    }
}
