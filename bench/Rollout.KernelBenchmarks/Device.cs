using System.Reflection;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;

namespace Rollout.KernelBenchmarks;

/// <summary>The GPU, with what measuring needs: memory full of numbers, ceilings, a timer, a table.</summary>
internal sealed class Device : IDisposable
{
    private readonly CudaModule _ceilings;
    private readonly CudaFunction _fill;
    private readonly CudaFunction _fillLogits;
    private readonly CudaFunction _read;
    private readonly List<DeviceMemory> _memory = [];

    public Device()
    {
        LibTorch.Load(cuda: true); // finds cuBLASLt and NVRTC beside it, where the loader's path has neither
        Context = CudaContext.Open(0);
        Stream = new CudaStream(Context);
        Compiler = Nvrtc.Load(LibTorch.Folder);
        Timer = new GraphTimer(Stream);
        using var source = Assembly.GetExecutingAssembly().GetManifestResourceStream("ceilings.cu")!;
        using var reader = new StreamReader(source);
        _ceilings = new CudaModule(Compiler.Compile(
            "ceilings.cu", reader.ReadToEnd(), new Dictionary<string, string>(),
            Context.Info.Architecture, ["--std=c++17"]));
        (_fill, _read) = (_ceilings.Function("fill"), _ceilings.Function("read"));
        _fillLogits = _ceilings.Function("fill_logits");
    }

    public CudaContext Context { get; }

    public CudaStream Stream { get; }

    public Nvrtc Compiler { get; }

    public GraphTimer Timer { get; }

    public KernelLibrary Kernels(KernelShape shape) =>
        KernelLibrary.Load(Context.Info, shape, Compiler, KernelCache.Default());

    /// <summary>Memory with bfloat16 numbers in −1 … 1.</summary>
    public nint Numbers(long bytes) => Filled(_fill, bytes, bytes / sizeof(uint));

    /// <summary>Memory with float numbers as a model's logits have them.</summary>
    public nint Logits(long bytes) => Filled(_fillLogits, bytes, bytes / sizeof(float));

    /// <summary>Memory with zeros.</summary>
    public nint Allocate(long bytes)
    {
        _memory.Add(new DeviceMemory(bytes));
        Stream.Fill(_memory[^1].Pointer, 0, bytes);
        return _memory[^1].Pointer;
    }

    /// <summary>Copies numbers to the device and waits.</summary>
    public nint Upload(ReadOnlySpan<int> numbers)
    {
        using var pinned = new PinnedMemory(Math.Max(4, numbers.Length * sizeof(int)));
        System.Runtime.InteropServices.MemoryMarshal.AsBytes(numbers).CopyTo(pinned.Span);
        var memory = Allocate(pinned.Bytes);
        Stream.CopyToDevice(memory, pinned.Pointer, pinned.Bytes);
        Stream.Synchronize();
        return memory;
    }

    /// <summary>Frees all memory given out.</summary>
    public void Free()
    {
        Stream.Synchronize();
        _memory.ForEach(memory => memory.Dispose());
        _memory.Clear();
    }

    /// <summary>Bytes per second of reading everything once: the best of a few grid sizes.</summary>
    /// <param name="memory">What to read, one run after another, so that none finds it in a cache.</param>
    /// <param name="bytes">That one run reads.</param>
    /// <param name="runs">For how many of them there is memory.</param>
    public double ReadCeiling(nint memory, long bytes, int runs = 1)
    {
        var sink = Allocate(16);
        var best = double.MaxValue;
        foreach (var blocks in new[] { 2, 4, 8, 16 })
        {
            best = Math.Min(best, Timer.Microseconds(Math.Max(5, runs), run =>
            {
                var arguments = default(KernelArguments);
                arguments.Add(memory + (nint)(run % runs * bytes));
                arguments.Add((nint)(bytes / 16));
                arguments.Add(sink);
                _read.Launch((blocks * Context.Info.MultiprocessorCount, 1), 512, 0, Stream, arguments);
            }));
        }

        return bytes / best * 1e6;
    }

    /// <summary>Bytes per second, read and written, of copying one half to the other.</summary>
    public double CopyCeiling(nint memory, long bytes) =>
        bytes / Timer.Microseconds(5, _ => Stream.CopyOnDevice(memory, memory + (nint)(bytes / 2), bytes / 2)) * 1e6;

    private nint Filled(CudaFunction fill, long bytes, long count)
    {
        var memory = Allocate(bytes);
        var arguments = default(KernelArguments);
        arguments.Add(memory);
        arguments.Add((nint)count);
        fill.Launch((8 * Context.Info.MultiprocessorCount, 1), 256, 0, Stream, arguments);
        return memory;
    }

    public void Dispose()
    {
        Free();
        Timer.Dispose();
        _ceilings.Dispose();
        Stream.Dispose();
        Context.Dispose();
    }
}
