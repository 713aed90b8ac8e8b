using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// AdamW's step and the norm of the gradients of a bfloat16 model on a GPU, one kernel each for all parameters of a chunk.
/// </summary>
internal sealed class FusedAdamW : IDisposable
{
    private const int Threads = 512;

    private readonly CudaContext _context;
    private readonly CudaModule _module;
    private readonly CudaFunction _squares;
    private readonly CudaFunction _update;

    /// <param name="device">The parameters' device.</param>
    /// <exception cref="DeviceException">A library is missing, or the device fails.</exception>
    public FusedAdamW(Device device)
    {
        using var owned = new Owned();
        _context = owned.Add(CudaContext.Open(Math.Max(device.index, 0)));
        var shape = new KernelShape(HeadDim: 64, QueryHeads: 1, KvHeads: 1, BlockSize: 1, ScalarType.BFloat16);
        var cubin = KernelLibrary.Compile(
            [KernelSource.Optimizer], shape, _context.Info.Architecture, _context.Info.SharedBytesPerBlock,
            Nvrtc.Load(LibTorch.Folder), KernelCache.Default())[0];
        _module = owned.Add(new CudaModule(cubin));
        (_squares, _update) = (_module.Function("gradient_squares"), _module.Function("adamw_update"));
        owned.Keep();
    }

    /// <summary>Divides parameters into what a thread block updates.</summary>
    /// <param name="chunks">Parts of parameters, by chunk; their tensors stay where they are.</param>
    public FusedPieces Divide(IReadOnlyList<IReadOnlyList<(int Parameter, AdamWPart Part)>> chunks)
    {
        _context.MakeCurrent();
        return new FusedPieces(chunks);
    }

    /// <summary>The norm of all gradients as one vector. Waits for the device.</summary>
    public double GradientNorm(FusedPieces pieces)
    {
        using var scope = NewDisposeScope();
        using var sums = empty(pieces.Count, ScalarType.Float64, pieces.Table.device);
        var arguments = default(KernelArguments);
        arguments.Add(pieces.AddressOf(0));
        arguments.Add(TorchTensors.Pointer(sums));
        _squares.Launch((pieces.Count, 1), Threads, 0, CudaStream.OfTorch, arguments);
        return Math.Sqrt(sums.sum().cpu().item<double>());
    }

    /// <summary>Updates the parameters of a chunk, and does not wait for the device.</summary>
    public void Update(FusedPieces pieces, int chunk, AdamWFactors factors)
    {
        var (first, count) = pieces.OfChunk(chunk);
        _context.MakeCurrent();
        var arguments = default(KernelArguments);
        arguments.Add(pieces.AddressOf(first));
        arguments.Add(TorchTensors.Pointer(pieces.Broken) + (first * sizeof(int)));
        foreach (var factor in factors.InOrder)
            arguments.Add((float)factor);
        _update.Launch((count, 1), Threads, 0, CudaStream.OfTorch, arguments);
    }

    public void Dispose()
    {
        _module.Dispose();
        _context.Dispose();
    }
}

/// <summary>The parts of parameters that thread blocks of <see cref="FusedAdamW"/> update, on the device.</summary>
internal sealed class FusedPieces : IDisposable
{
    private const int PieceNumbers = 1 << 16;
    private const int Fields = 6; // of the Piece of adamw.cu, 8 bytes each

    private readonly List<int> _owners = []; // the parameter of each piece
    private readonly List<int> _firsts = []; // of each chunk, and the end

    /// <param name="chunks">Parts of parameters, by chunk, with at least one number in each chunk.</param>
    public FusedPieces(IReadOnlyList<IReadOnlyList<(int Parameter, AdamWPart Part)>> chunks)
    {
        var fields = new List<long>();
        foreach (var chunk in chunks)
        {
            _firsts.Add(_owners.Count);
            foreach (var (parameter, part) in chunk)
                Add(fields, part, parameter);
        }

        _firsts.Add(_owners.Count);
        var device = chunks[0][0].Part.Weight.device;
        Table = tensor(fields.ToArray(), ScalarType.Int64, device).DetachFromDisposeScope();
        Broken = zeros(_owners.Count, ScalarType.Int32, device).DetachFromDisposeScope();
    }

    public int Count => _owners.Count;

    /// <summary>[pieces · 6] int64.</summary>
    public Tensor Table { get; }

    /// <summary>[pieces] int32: 1 where an update made a weight that is not finite.</summary>
    public Tensor Broken { get; }

    public nint AddressOf(int piece) => TorchTensors.Pointer(Table) + (piece * Fields * sizeof(long));

    public (int First, int Count) OfChunk(int chunk) => (_firsts[chunk], _firsts[chunk + 1] - _firsts[chunk]);

    /// <summary>The first parameter with a weight that is not finite; null where all are. Waits for the device.</summary>
    public int? FirstBroken()
    {
        using var onHost = Broken.cpu();
        var first = Array.IndexOf(onHost.data<int>().ToArray(), 1);
        return first < 0 ? null : _owners[first];
    }

    public void Dispose()
    {
        Broken.Dispose();
        Table.Dispose();
    }

    private void Add(List<long> fields, AdamWPart part, int owner)
    {
        var numbers = part.Weight.numel();
        var (weight, master, mean) =
            (TorchTensors.Pointer(part.Weight), TorchTensors.Pointer(part.Master), TorchTensors.Pointer(part.Mean));
        var (square, gradient) = (TorchTensors.Pointer(part.Square), TorchTensors.Pointer(part.Gradient));
        for (var start = 0L; start < numbers; start += PieceNumbers)
        {
            var count = Math.Min(PieceNumbers, numbers - start);
            var wide = start * sizeof(float);
            fields.AddRange(
            [
                weight + (start * sizeof(ushort)), master + wide, mean + wide, square + wide, gradient + wide,
                count | (part.Decays ? 1L << 32 : 0),
            ]);
            _owners.Add(owner);
        }
    }
}
