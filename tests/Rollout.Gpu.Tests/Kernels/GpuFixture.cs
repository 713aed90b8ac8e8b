using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

/// <summary>
/// One GPU for all tests that use it, which run one after another: some read how much of its memory is free, and nobody
/// may wait for the device while another records a graph. Kernels of their own tests are compiled once a shape.
/// </summary>
public sealed class GpuFixture : IDisposable
{
    private readonly Dictionary<(CudaDeviceInfo, KernelShape), KernelLibrary> _libraries = [];
    private readonly Dictionary<KernelShape, TrainingKernels> _training = [];
    private readonly CudaContext? _context;
    private readonly CudaStream? _stream;
    private readonly Nvrtc? _compiler;

    public GpuFixture()
    {
        if (!cuda.is_available())
            return;
        zeros([1], device: CUDA).Dispose(); // torch opens the device
        _context = CudaContext.Open(0);
        _stream = new CudaStream(_context);
        _compiler = Nvrtc.Load(LibTorch.Folder);
    }

    internal CudaContext Context => _context!;

    internal CudaStream Stream => _stream!;

    /// <summary>Makes the GPU this thread's, or skips the test where there is none.</summary>
    public void Require()
    {
        Assert.SkipWhen(_context is null, "There is no GPU that libtorch can use.");
        _context.MakeCurrent();
    }

    /// <param name="shape">The model's.</param>
    /// <param name="sharedBytes">As if a thread block could have no more shared memory; null: what it can have.</param>
    internal KernelLibrary Kernels(KernelShape shape, int? sharedBytes = null)
    {
        var device = Context.Info with { SharedBytesPerBlock = sharedBytes ?? Context.Info.SharedBytesPerBlock };
        if (!_libraries.TryGetValue((device, shape), out var library))
        {
            library = KernelLibrary.Load(device, shape, _compiler!, KernelCache.Default());
            _libraries[(device, shape)] = library;
        }

        return library;
    }

    /// <param name="shape">The model's.</param>
    internal TrainingKernels TrainingKernels(KernelShape shape)
    {
        if (!_training.TryGetValue(shape, out var kernels))
        {
            kernels = Gpu.Kernels.TrainingKernels.Load(Context.Info, shape, _compiler!, KernelCache.Default());
            _training[shape] = kernels;
        }

        return kernels;
    }

    public void Dispose()
    {
        _context?.MakeCurrent();
        foreach (var kernels in _training.Values)
            kernels.Dispose();
        foreach (var library in _libraries.Values)
            library.Dispose();
        _stream?.Dispose();
        _context?.Dispose();
    }
}

[CollectionDefinition(Name)]
public sealed class GpuTests : ICollectionFixture<GpuFixture>
{
    public const string Name = "GPU";
}
