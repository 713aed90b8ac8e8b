using System.Runtime.ExceptionServices;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// All kernels for one model shape on one device, compiled or taken from the cache, and loaded. Launches check their
/// arguments, allocate nothing and wait for nothing, so that a graph can record all but the copies of blocks. Used by
/// one thread, on which the context is current.
/// </summary>
internal sealed class KernelLibrary : IDisposable
{
    private const int OldestComputeMajor = 8;

    private readonly List<CudaModule> _modules = [];

    private KernelLibrary(CudaDeviceInfo device, KernelShape shape, IEnumerable<byte[]> cubins)
    {
        (Device, Shape) = (device, shape);
        try
        {
            foreach (var cubin in cubins)
                _modules.Add(new CudaModule(cubin));
            CudaModule Of(string file) => _modules[Array.IndexOf(KernelSource.FilesFor(shape.Dtype), file)];
            Prepare = new PrepareStep(Of("prepare_step"), shape);
            Gather = new GatherRows(Of("gather_rows"));
            Norm = new RmsNormKernel(Of("rms_norm"), device);
            WriteKv = new QkNormRopeWriteKv(Of("qk_norm_rope_write_kv"), shape);
            Attention = new PagedAttentionKernel(_modules[0], Of("merge_attention"), shape, device);
            Gate = new SiluMul(Of("silu_mul"), shape);
            Copy = new CopyBlocks(Of("copy_blocks"), shape, device);
            Sample = new SampleTokens(Of("sample_tokens"));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public CudaDeviceInfo Device { get; }

    public KernelShape Shape { get; }

    public PrepareStep Prepare { get; }

    public GatherRows Gather { get; }

    public RmsNormKernel Norm { get; }

    public QkNormRopeWriteKv WriteKv { get; }

    public PagedAttentionKernel Attention { get; }

    public SiluMul Gate { get; }

    public CopyBlocks Copy { get; }

    public SampleTokens Sample { get; }

    /// <summary>Loads the kernels from the cache, or compiles them.</summary>
    /// <param name="device">The device, whose context is current on this thread.</param>
    /// <param name="shape">The model's shape.</param>
    /// <param name="compiler">NVRTC.</param>
    /// <param name="cache">The cache of compiled kernels.</param>
    /// <exception cref="CudaException">The device refuses the kernels.</exception>
    /// <exception cref="UnsupportedModelException">The kernels don't support the shape.</exception>
    /// <exception cref="UnsupportedDeviceException">The device lacks what the kernels need.</exception>
    /// <exception cref="LibTorchException">NVRTC does not know the device's architecture.</exception>
    /// <exception cref="KernelCompileException">A source does not compile.</exception>
    public static KernelLibrary Load(CudaDeviceInfo device, KernelShape shape, Nvrtc compiler, KernelCache cache)
    {
        RequireSupported(device, shape);
        var cubins = Compile(
            KernelSource.FilesFor(shape.Dtype), shape, device.Architecture, device.SharedBytesPerBlock, compiler, cache);
        return new KernelLibrary(device, shape, cubins);
    }

    /// <summary>Refuses a device or a shape that the kernels don't support. Compiles nothing.</summary>
    /// <exception cref="UnsupportedModelException">The kernels don't support the shape.</exception>
    /// <exception cref="UnsupportedDeviceException">The device lacks what the kernels need.</exception>
    public static void RequireSupported(CudaDeviceInfo device, KernelShape shape)
    {
        var needed = AttentionLaunch.SharedBytes(shape.Checked(), device.SharedBytesPerBlock);
        if (device.ComputeMajor < OldestComputeMajor)
        {
            throw new UnsupportedDeviceException(
                $"The GPU kernels need compute capability {OldestComputeMajor}.0 (Ampere) or newer, and {device.Name} "
                + $"has {device.ComputeMajor}.{device.ComputeMinor}.");
        }

        if (needed > device.SharedBytesPerBlock)
        {
            throw new UnsupportedDeviceException(
                $"Attention with heads of {shape.HeadDim} numbers needs {needed} bytes of shared memory, and "
                + $"{device.Name} has {device.SharedBytesPerBlock}.");
        }
    }

    /// <summary>Machine code of the sources, in their order.</summary>
    internal static byte[][] Compile(
        string[] files, KernelShape shape, string architecture, int sharedBytes, Nvrtc compiler, KernelCache cache)
    {
        var headers = KernelSource.Headers();
        var ofModel = KernelSource.Options(shape, sharedBytes);
        var ofLogits = KernelSource.Options(shape with { Dtype = shape.LogitsDtype }, sharedBytes);
        var cubins = new byte[files.Length][];
        try
        {
            Parallel.For(0, files.Length, i =>
            {
                var source = KernelSource.Read($"{files[i]}.cu");
                var options = files[i] == "sample_tokens" ? ofLogits : ofModel;
                string[] texts =
                    [source, .. headers.Keys, .. headers.Values, architecture, .. options, $"NVRTC {compiler.Version}"];
                cubins[i] = cache.GetOrAdd(
                    KernelCache.KeyOf(files[i], texts),
                    () => compiler.Compile($"{files[i]}.cu", source, headers, architecture, options));
            });
        }
        catch (AggregateException several)
        {
            // One mistake fails most files: the first error is enough.
            ExceptionDispatchInfo.Throw(several.InnerExceptions[0]);
        }

        return cubins;
    }

    public void Dispose() => _modules.ForEach(module => module.Dispose());
}
