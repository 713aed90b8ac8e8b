using System.Runtime.InteropServices;

namespace Rollout.Gpu.Interop;

/// <summary>
/// The functions of NVIDIA's driver that this project calls, by their exported names. Unlike the CUDA runtime's, the
/// driver's library has the same name in every install. Every function returns a CUresult, 0 for success, which
/// <see cref="CudaException.Check"/> checks.
/// </summary>
internal static unsafe partial class CudaDriver
{
    private const string Library = "libcuda.so.1";

    [LibraryImport(Library)]
    internal static partial int cuInit(uint flags);

    [LibraryImport(Library)]
    internal static partial int cuGetErrorName(int error, out nint text);

    [LibraryImport(Library)]
    internal static partial int cuGetErrorString(int error, out nint text);

    [LibraryImport(Library)]
    internal static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)]
    internal static partial int cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library)]
    internal static partial int cuDeviceGetAttribute(out int value, int attribute, int device);

    [LibraryImport(Library)]
    internal static partial int cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    internal static partial int cuDevicePrimaryCtxRelease(int device);

    [LibraryImport(Library)]
    internal static partial int cuCtxSetCurrent(nint context);

    [LibraryImport(Library)]
    internal static partial int cuCtxSynchronize();

    [LibraryImport(Library, EntryPoint = "cuMemGetInfo_v2")]
    internal static partial int cuMemGetInfo(out nuint free, out nuint total);

    [LibraryImport(Library, EntryPoint = "cuMemAlloc_v2")]
    internal static partial int cuMemAlloc(out nint pointer, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cuMemFree_v2")]
    internal static partial int cuMemFree(nint pointer);

    [LibraryImport(Library)]
    internal static partial int cuMemGetAllocationGranularity(
        out nuint bytes, in CudaAllocation allocation, int option);

    [LibraryImport(Library)]
    internal static partial int cuMemAddressReserve(
        out nint pointer, nuint bytes, nuint alignment, nint wanted, ulong flags);

    [LibraryImport(Library)]
    internal static partial int cuMemAddressFree(nint pointer, nuint bytes);

    [LibraryImport(Library)]
    internal static partial int cuMemCreate(out ulong memory, nuint bytes, in CudaAllocation allocation, ulong flags);

    [LibraryImport(Library)]
    internal static partial int cuMemRelease(ulong memory);

    [LibraryImport(Library)]
    internal static partial int cuMemMap(nint pointer, nuint bytes, nuint offset, ulong memory, ulong flags);

    [LibraryImport(Library)]
    internal static partial int cuMemUnmap(nint pointer, nuint bytes);

    [LibraryImport(Library)]
    internal static partial int cuMemSetAccess(nint pointer, nuint bytes, in CudaAccess access, nuint count);

    [LibraryImport(Library)]
    internal static partial int cuDeviceGetDefaultMemPool(out nint pool, int device);

    [LibraryImport(Library)]
    internal static partial int cuMemPoolGetAttribute(nint pool, int attribute, void* value);

    [LibraryImport(Library)]
    internal static partial int cuMemPoolSetAttribute(nint pool, int attribute, void* value);

    [LibraryImport(Library)]
    internal static partial int cuMemPoolTrimTo(nint pool, nuint bytesToKeep);

    [LibraryImport(Library)]
    internal static partial int cuMemHostAlloc(out nint pointer, nuint bytes, uint flags);

    [LibraryImport(Library)]
    internal static partial int cuMemFreeHost(nint pointer);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    internal static partial int cuMemcpyHtoDAsync(nint to, nint from, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    internal static partial int cuMemcpyDtoHAsync(nint to, nint from, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoDAsync_v2")]
    internal static partial int cuMemcpyDtoDAsync(nint to, nint from, nuint bytes, nint stream);

    [LibraryImport(Library)]
    internal static partial int cuMemsetD8Async(nint to, byte value, nuint bytes, nint stream);

    [LibraryImport(Library)]
    internal static partial int cuStreamCreate(out nint stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    internal static partial int cuStreamDestroy(nint stream);

    [LibraryImport(Library)]
    internal static partial int cuStreamSynchronize(nint stream);

    [LibraryImport(Library)]
    internal static partial int cuStreamWaitEvent(nint stream, nint awaited, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    internal static partial int cuStreamBeginCapture(nint stream, int mode);

    [LibraryImport(Library)]
    internal static partial int cuStreamEndCapture(nint stream, out nint graph);

    [LibraryImport(Library)]
    internal static partial int cuGraphInstantiateWithFlags(out nint executable, nint graph, ulong flags);

    [LibraryImport(Library)]
    internal static partial int cuGraphUpload(nint executable, nint stream);

    [LibraryImport(Library)]
    internal static partial int cuGraphLaunch(nint executable, nint stream);

    [LibraryImport(Library)]
    internal static partial int cuGraphDestroy(nint graph);

    [LibraryImport(Library)]
    internal static partial int cuGraphExecDestroy(nint executable);

    [LibraryImport(Library)]
    internal static partial int cuEventCreate(out nint created, uint flags);

    [LibraryImport(Library)]
    internal static partial int cuEventRecord(nint recorded, nint stream);

    [LibraryImport(Library)]
    internal static partial int cuEventSynchronize(nint waitedFor);

    [LibraryImport(Library)]
    internal static partial int cuEventElapsedTime(out float milliseconds, nint start, nint end);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    internal static partial int cuEventDestroy(nint destroyed);

    [LibraryImport(Library)]
    internal static partial int cuModuleLoadData(out nint module, byte* image);

    [LibraryImport(Library)]
    internal static partial int cuModuleUnload(nint module);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int cuModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(Library)]
    internal static partial int cuFuncSetAttribute(nint function, int attribute, int value);

    [LibraryImport(Library)]
    internal static partial int cuFuncGetAttribute(out int value, int attribute, nint function);

    [LibraryImport(Library)]
    internal static partial int cuOccupancyMaxActiveBlocksPerMultiprocessor(
        out int blocks, nint function, int threads, nuint dynamicSharedBytes);

    [LibraryImport(Library)]
    internal static partial int cuLaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ,
        uint sharedBytes, nint stream, void** arguments, void** extra);
}

/// <summary>CUmemAllocationProp: the kind of memory and its device.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaAllocation(int device)
{
    private readonly int _type = 1; // CU_MEM_ALLOCATION_TYPE_PINNED
    private readonly int _handleTypes;
    private readonly CudaLocation _location = new(device);
    private readonly nint _windowsData;
    private readonly ulong _flags;
}

/// <summary>CUmemAccessDesc: which device may read and write.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaAccess(int device)
{
    private readonly CudaLocation _location = new(device);
    private readonly int _flags = 3; // CU_MEM_ACCESS_FLAGS_PROT_READWRITE
}

/// <summary>CUmemLocation.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaLocation(int device)
{
    private readonly int _type = 1; // CU_MEM_LOCATION_TYPE_DEVICE
    private readonly int _device = device;
}
