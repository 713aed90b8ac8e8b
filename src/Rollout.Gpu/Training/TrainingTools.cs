using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// What training passes on one GPU share: kernels and matrix products for one shape of models, on torch's stream. Used
/// by one thread at a time.
/// </summary>
internal sealed class TrainingTools : IDisposable
{
    private readonly CudaContext _context;
    private readonly Tensor _frequencies; // [head_dim / 2] float32, radians per position
    private readonly int _headDim;

    /// <param name="model">A model of the shape, on the GPU.</param>
    /// <exception cref="DeviceException">A library is missing, or the device fails.</exception>
    /// <exception cref="UnsupportedModelException">The kernels don't support the shape.</exception>
    /// <exception cref="UnsupportedDeviceException">The device lacks what the kernels need.</exception>
    public TrainingTools(CausalLm model)
    {
        using var owned = new Owned();
        var config = model.Config;
        _context = owned.Add(CudaContext.Open(Math.Max(model.Device.index, 0)));
        RmsNormKernel.RequireSupported(_context.Info, config.HiddenSize);
        var shape = KernelShape.Of(KvCacheShape.Of(config), blockSize: 1, model.Dtype);
        Kernels = owned.Add(
            TrainingKernels.Load(_context.Info, shape, Nvrtc.Load(LibTorch.Folder), KernelCache.Default()));
        Products = owned.Add(new TrainingProducts(_context, CudaStream.OfTorch, model.Dtype));
        _headDim = config.HeadDim;
        _frequencies = tensor(config.Rope.InverseFrequencies(_headDim), ScalarType.Float32, model.Device)
            .DetachFromDisposeScope();
        ElementBytes = shape.ElementBytes;
        int[] widths =
        [
            config.HiddenSize, config.HeadCount * _headDim, (config.HeadCount + 2 * config.KvHeadCount) * _headDim,
            2 * config.IntermediateSize,
        ];
        WidestRow = widths.Max() * ElementBytes;
        owned.Keep();
    }

    public TrainingKernels Kernels { get; }

    public TrainingProducts Products { get; }

    /// <summary>Bytes of a number of the model's type.</summary>
    public int ElementBytes { get; }

    /// <summary>Bytes of a token in the widest value of a pass.</summary>
    public int WidestRow { get; }

    /// <summary>What backward passes compute again.</summary>
    public Recomputation Recompute { get; init; }

    /// <summary>Told which part of a step begins; null where nobody measures.</summary>
    public IPartClock? Clock { get; set; }

    /// <summary>Makes the device this thread's.</summary>
    public void MakeCurrent() => _context.MakeCurrent();

    /// <summary>[tokens, head_dim / 2] of two floats: cosine and sine of each token's rotation.</summary>
    public nint Angles(PackedInput input, TrainingArena arena)
    {
        var angles = arena.Reserve((long)input.TokenCount * _headDim * sizeof(float));
        Kernels.Angles(CudaStream.OfTorch, input.Positions, TorchTensors.Pointer(_frequencies), angles, input.TokenCount);
        return angles;
    }

    public void Dispose()
    {
        _frequencies.Dispose();
        Products.Dispose();
        Kernels.Dispose();
        _context.Dispose();
    }
}
