using System.Text;

namespace Rollout.Gpu.Interop;

/// <summary>
/// The primary context of a device, which torch uses too, so that both share pointers, streams and graphs. Every
/// thread that uses the context makes it current first.
/// </summary>
internal sealed unsafe class CudaContext : IDisposable
{
    private const int MultiprocessorCount = 16;
    private const int ComputeMajor = 75;
    private const int ComputeMinor = 76;
    private const int SharedBytesPerBlockOptIn = 97;

    private readonly int _device;
    private readonly nint _context;
    private bool _disposed;

    private CudaContext(int device, nint context, CudaDeviceInfo info)
    {
        _device = device;
        _context = context;
        Info = info;
    }

    /// <summary>The device.</summary>
    public CudaDeviceInfo Info { get; }

    /// <summary>Opens a device's primary context and makes it current on this thread.</summary>
    /// <param name="ordinal">The device's number, from 0.</param>
    /// <exception cref="LibTorchException">There is no driver.</exception>
    /// <exception cref="CudaException">There is no such device, or it can't be used.</exception>
    public static CudaContext Open(int ordinal)
    {
        if (!IsDriverPresent())
        {
            throw new LibTorchException(
                "Device cuda needs NVIDIA's driver and libcuda.so.1 cannot be loaded: install the driver, or "
                + "start the container with access to the GPUs.");
        }

        CudaException.Check(CudaDriver.cuInit(0), "start");
        CudaException.Check(CudaDriver.cuDeviceGet(out var device, ordinal), $"find device {ordinal}");
        CudaException.Check(
            CudaDriver.cuDevicePrimaryCtxRetain(out var context, device), $"open device {ordinal}");
        var opened = new CudaContext(device, context, Describe(device, ordinal));
        opened.MakeCurrent();
        return opened;
    }

    /// <summary>Whether NVIDIA's driver can be loaded.</summary>
    public static bool IsDriverPresent() => OperatingSystem.IsLinux() && LibTorchLoader.CanLoad("libcuda.so.1");

    /// <summary>Makes this the device of all driver calls of this thread.</summary>
    public void MakeCurrent() =>
        CudaException.Check(CudaDriver.cuCtxSetCurrent(_context), "make the context current");

    /// <summary>Waits for all work queued on the device.</summary>
    public void Synchronize()
    {
        MakeCurrent();
        using var turn = CudaGraph.Recording.EnterScope();
        CudaException.Check(CudaDriver.cuCtxSynchronize(), "finish the queued work");
    }

    /// <summary>Free and total bytes of the device. Memory that torch's allocator keeps is not free.</summary>
    public (long Free, long Total) MemoryInfo()
    {
        MakeCurrent();
        CudaException.Check(CudaDriver.cuMemGetInfo(out var free, out var total), "tell how much memory is free");
        return ((long)free, (long)total);
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _ = CudaDriver.cuDevicePrimaryCtxRelease(_device);
    }

    private static CudaDeviceInfo Describe(int device, int ordinal)
    {
        var name = stackalloc byte[256];
        CudaException.Check(CudaDriver.cuDeviceGetName(name, 256, device), "name the device");
        var text = new ReadOnlySpan<byte>(name, 256);
        return new CudaDeviceInfo(
            ordinal, Encoding.UTF8.GetString(text[..text.IndexOf((byte)0)]), Attribute(device, ComputeMajor),
            Attribute(device, ComputeMinor), Attribute(device, MultiprocessorCount),
            Attribute(device, SharedBytesPerBlockOptIn));
    }

    private static int Attribute(int device, int attribute)
    {
        CudaException.Check(
            CudaDriver.cuDeviceGetAttribute(out var value, attribute, device), "describe the device");
        return value;
    }
}

/// <summary>What kernels are compiled and launched for.</summary>
/// <param name="Ordinal">The device's number, as torch counts.</param>
/// <param name="Name">Its marketing name.</param>
/// <param name="ComputeMajor">The compute capability before the dot.</param>
/// <param name="ComputeMinor">The compute capability after the dot.</param>
/// <param name="MultiprocessorCount">Streaming multiprocessors.</param>
/// <param name="SharedBytesPerBlock">Shared memory that one thread block can have, opted in.</param>
internal sealed record CudaDeviceInfo(
    int Ordinal, string Name, int ComputeMajor, int ComputeMinor, int MultiprocessorCount, int SharedBytesPerBlock)
{
    /// <summary>The architecture that NVRTC compiles for, such as sm_90a.</summary>
    /// <remarks>From Hopper on, the letter a admits the instructions that only this chip has.</remarks>
    public string Architecture => $"sm_{ComputeMajor}{ComputeMinor}{(ComputeMajor >= 9 ? "a" : "")}";
}
