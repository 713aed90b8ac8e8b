namespace Rollout.Gpu.Interop;

/// <summary>One kernel of a loaded module, valid as long as the module.</summary>
internal sealed unsafe class CudaFunction
{
    private const int LocalBytesAttribute = 3;
    private const int RegistersAttribute = 4;
    private const int MaxDynamicSharedBytesAttribute = 8;

    private readonly string _name;
    private readonly nint _handle;

    internal CudaFunction(string name, nint handle)
    {
        _name = name;
        _handle = handle;
    }

    /// <summary>Registers that a thread uses.</summary>
    public int Registers => Attribute(RegistersAttribute);

    /// <summary>Bytes of device memory that a thread uses: spilled registers and indexed arrays.</summary>
    public int LocalBytes => Attribute(LocalBytesAttribute);

    /// <summary>Allows launches with this much dynamic shared memory, which the driver refuses above 48 KiB otherwise.</summary>
    public void AllowDynamicShared(int bytes) => CudaException.Check(
        CudaDriver.cuFuncSetAttribute(_handle, MaxDynamicSharedBytesAttribute, bytes),
        $"give the kernel {_name} {bytes} bytes of shared memory");

    /// <summary>Thread blocks of this kernel that run on a multiprocessor at once.</summary>
    public int BlocksPerMultiprocessor(int threads, int dynamicSharedBytes)
    {
        CudaException.Check(
            CudaDriver.cuOccupancyMaxActiveBlocksPerMultiprocessor(
                out var blocks, _handle, threads, (nuint)dynamicSharedBytes),
            $"tell the occupancy of the kernel {_name}");
        return blocks;
    }

    /// <summary>Launches the kernel and does not wait for it.</summary>
    /// <param name="grid">Thread blocks; without any, nothing is launched.</param>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="dynamicSharedBytes">Shared memory beyond the kernel's own.</param>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="arguments">Copied before this returns.</param>
    public void Launch(
        (int X, int Y) grid, int threads, int dynamicSharedBytes, CudaStream stream, in KernelArguments arguments)
    {
        if (grid.X == 0 || grid.Y == 0)
            return;
        var pointers = stackalloc void*[KernelArguments.Capacity];
        fixed (long* values = arguments.Values)
        {
            for (var i = 0; i < arguments.Count; i++)
                pointers[i] = values + i;
            CudaException.Check(
                CudaDriver.cuLaunchKernel(
                    _handle, (uint)grid.X, (uint)grid.Y, 1, (uint)threads, 1, 1, (uint)dynamicSharedBytes,
                    stream.Handle, pointers, null),
                $"launch the kernel {_name}");
        }
    }

    private int Attribute(int attribute)
    {
        CudaException.Check(
            CudaDriver.cuFuncGetAttribute(out var value, attribute, _handle), $"describe the kernel {_name}");
        return value;
    }
}
