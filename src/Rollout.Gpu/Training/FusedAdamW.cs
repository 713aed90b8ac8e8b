using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>A bfloat16 parameter on a GPU with the optimizer's state, all of one shape and packed.</summary>
/// <param name="Weight">bfloat16.</param>
/// <param name="Master">float32, as the rest.</param>
/// <param name="Mean">The first moment.</param>
/// <param name="Square">The second moment.</param>
/// <param name="Gradient">The sum of gradients.</param>
/// <param name="Decays">Weight decay applies to it.</param>
internal readonly record struct FusedParameter(
    Tensor Weight, Tensor Master, Tensor Mean, Tensor Square, Tensor Gradient, bool Decays);

/// <summary>
/// AdamW's step and the norm of the gradients, one kernel each for all parameters of a bfloat16 model on a GPU. The
/// tensors stay where they are.
/// </summary>
internal sealed class FusedAdamW : IDisposable
{
    private const int PieceNumbers = 1 << 16;
    private const int Threads = 512;

    private readonly CudaContext _context;
    private readonly CudaModule _module;
    private readonly CudaFunction _squares;
    private readonly CudaFunction _update;
    private readonly Tensor _pieces;         // [pieces, 6] int64: the Piece of adamw.cu
    private readonly Tensor _sums;           // [pieces] float64
    private readonly Tensor _broken;         // [pieces] int32
    private readonly List<int> _owners = []; // the parameter of each piece

    /// <param name="parameters">All parameters of the optimizer.</param>
    /// <exception cref="DeviceException">A library is missing, or the device fails.</exception>
    public FusedAdamW(IReadOnlyList<FusedParameter> parameters)
    {
        using var owned = new Owned();
        var device = parameters[0].Weight.device;
        _context = owned.Add(CudaContext.Open(Math.Max(device.index, 0)));
        var shape = new KernelShape(HeadDim: 64, QueryHeads: 1, KvHeads: 1, BlockSize: 1, ScalarType.BFloat16);
        var cubin = KernelLibrary.Compile(
            [KernelSource.Optimizer], shape, _context.Info.Architecture, _context.Info.SharedBytesPerBlock,
            Nvrtc.Load(LibTorch.Folder), KernelCache.Default())[0];
        _module = owned.Add(new CudaModule(cubin));
        (_squares, _update) = (_module.Function("gradient_squares"), _module.Function("adamw_update"));
        var pieces = new List<long>();
        for (var i = 0; i < parameters.Count; i++)
            AddPieces(pieces, parameters[i], i);
        _pieces = tensor(pieces.ToArray(), ScalarType.Int64, device).DetachFromDisposeScope();
        _sums = empty(_owners.Count, ScalarType.Float64, device).DetachFromDisposeScope();
        _broken = empty(_owners.Count, ScalarType.Int32, device).DetachFromDisposeScope();
        owned.Keep();
    }

    /// <summary>The norm of all gradients as one vector. Waits for the device.</summary>
    public double GradientNorm()
    {
        _context.MakeCurrent();
        using var scope = NewDisposeScope();
        var arguments = default(KernelArguments);
        arguments.Add(TorchTensors.Pointer(_pieces));
        arguments.Add(TorchTensors.Pointer(_sums));
        _squares.Launch((_owners.Count, 1), Threads, 0, CudaStream.OfTorch, arguments);
        return Math.Sqrt(_sums.sum().cpu().item<double>());
    }

    /// <summary>Updates all parameters, and sets their gradients to 0. Waits for the device.</summary>
    /// <returns>The first parameter with a weight that is not finite any more; null where all are.</returns>
    public int? Update(AdamWFactors factors)
    {
        _context.MakeCurrent();
        using var scope = NewDisposeScope();
        var arguments = default(KernelArguments);
        arguments.Add(TorchTensors.Pointer(_pieces));
        arguments.Add(TorchTensors.Pointer(_broken));
        foreach (var factor in factors.InOrder)
            arguments.Add((float)factor);
        _update.Launch((_owners.Count, 1), Threads, 0, CudaStream.OfTorch, arguments);
        var first = Array.IndexOf(_broken.cpu().data<int>().ToArray(), 1);
        return first < 0 ? null : _owners[first];
    }

    public void Dispose()
    {
        _broken.Dispose();
        _sums.Dispose();
        _pieces.Dispose();
        _module.Dispose();
        _context.Dispose();
    }

    private void AddPieces(List<long> pieces, FusedParameter parameter, int owner)
    {
        var numbers = parameter.Weight.numel();
        for (var start = 0L; start < numbers; start += PieceNumbers)
        {
            var count = Math.Min(PieceNumbers, numbers - start);
            long At(Tensor tensor, int bytes) => TorchTensors.Pointer(tensor) + (start * bytes);
            pieces.AddRange(
            [
                At(parameter.Weight, sizeof(ushort)), At(parameter.Master, sizeof(float)), At(parameter.Mean, sizeof(float)),
                At(parameter.Square, sizeof(float)), At(parameter.Gradient, sizeof(float)),
                count | (parameter.Decays ? 1L << 32 : 0),
            ]);
            _owners.Add(owner);
        }
    }
}
