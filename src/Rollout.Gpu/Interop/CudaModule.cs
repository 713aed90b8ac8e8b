namespace Rollout.Gpu.Interop;

/// <summary>Compiled kernels, loaded on a device.</summary>
internal sealed unsafe class CudaModule : IDisposable
{
    private nint _handle;

    /// <param name="cubin">NVRTC's output for the device of the current context.</param>
    /// <exception cref="CudaException">The code is damaged, or for another device.</exception>
    public CudaModule(ReadOnlySpan<byte> cubin)
    {
        fixed (byte* image = cubin)
            CudaException.Check(CudaDriver.cuModuleLoadData(out _handle, image), "load compiled kernels");
    }

    /// <summary>Finds a kernel by its name in an extern "C" block.</summary>
    /// <exception cref="CudaException">There is no such kernel.</exception>
    public CudaFunction Function(string name)
    {
        CudaException.Check(
            CudaDriver.cuModuleGetFunction(out var function, _handle, name), $"find the kernel {name}");
        return new CudaFunction(name, function);
    }

    public void Dispose()
    {
        if (_handle == 0)
            return;
        _ = CudaDriver.cuModuleUnload(_handle);
        _handle = 0;
    }
}
