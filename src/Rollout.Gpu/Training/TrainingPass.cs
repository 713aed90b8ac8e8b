using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>A value of a training pass.</summary>
/// <param name="pointer">The address of packed rows, one for each token.</param>
/// <param name="owner">What holds the memory; null for memory of the pass.</param>
/// <param name="compute">
/// Computes the value into memory of its size: the gradient computes it again, and its memory is free until then.
/// </param>
/// <param name="isKept">The memory is the value's own, and stays.</param>
internal sealed class TrainingValue(
    nint pointer, IDisposable? owner = null, Action<nint>? compute = null, bool isKept = false)
{
    /// <summary>Where the value is; 0 while it is not in memory.</summary>
    public nint Pointer { get; set; } = pointer;

    public bool IsKept => isKept;

    /// <summary>A norm's result: what attention and gate begin with.</summary>
    public bool IsNormed { get; init; }

    public IDisposable? Owner => owner;

    public Action<nint>? Compute => compute;

    /// <summary>The address of dLoss/dvalue during the backward pass, in the value's shape.</summary>
    public nint Gradient { get; set; }
}

/// <summary>
/// The operations of a forward pass over packed sequences on a GPU, which notes each operation's gradient. <see
/// cref="Backward"/> then runs the gradients in the reverse order. Without gradients it keeps nothing.
/// </summary>
/// <param name="tools">Kernels and products for the model's shape.</param>
/// <param name="model">The weights.</param>
/// <param name="input">The sequences.</param>
/// <param name="arena">The memory of this micro-batch.</param>
/// <param name="gradients">Gives the float32 sums that gradients are added to; null computes no gradients.</param>
internal sealed partial class TrainingPass(
    TrainingTools tools, CausalLm model, PackedInput input, TrainingArena arena, Func<Tensor, Tensor>? gradients)
    : IForwardPass<TrainingValue>
{
    private readonly TrainingKernels _kernels = tools.Kernels;
    private readonly TrainingProducts _products = tools.Products;
    private readonly CudaStream _stream = CudaStream.OfTorch;
    private readonly ModelConfig _config = model.Config;
    private readonly float _epsilon = (float)model.Config.RmsNormEps;
    private readonly int _tokens = input.TokenCount;
    private readonly PackedAttention _attention = new(input, tools.Kernels);
    private readonly TrainingBuffers _buffers = new(arena, (long)input.TokenCount * tools.WidestRow);
    private readonly nint _partials = arena.Reserve(tools.Kernels.PartialBytes(model.Config.HiddenSize));
    private readonly nint _angles = tools.Angles(input, arena);
    private readonly Stack<Action> _backward = new();

    // What operations produce is kept for their gradients.
    private bool _keeps = gradients is not null;
    private Func<long, nint> _reserve = arena.Reserve;

    // dLoss/dresidual stream, which every norm's gradient is added to. It is 0 until the first one.
    private nint _residualGradient;
    private bool _residualIsZero = true;

    /// <summary>Runs the noted gradients, the last operation's first.</summary>
    /// <param name="result">The result of the forward pass.</param>
    /// <param name="gradient">dLoss/dresult, in a buffer of <see cref="TakeBuffer"/>.</param>
    public void Backward(TrainingValue result, nint gradient)
    {
        result.Gradient = gradient;
        _residualGradient = _buffers.Take();
        while (_backward.TryPop(out var step))
            step();
    }

    /// <summary>Memory of one value, for the gradient that <see cref="Backward"/> begins with.</summary>
    public nint TakeBuffer() => _buffers.Take();

    /// <summary>Gives memory back that no value has, for work of others between forward and backward pass.</summary>
    public void Trim() => _buffers.Trim();

    /// <summary>Frees a value that nothing reads any more, except what gradients need.</summary>
    public void Release(TrainingValue value)
    {
        if (value.IsKept)
            return;
        if (value.Owner is null)
        {
            _buffers.Give(value.Pointer);
            value.Pointer = 0;
        }
        else if (!_keeps)
        {
            value.Owner.Dispose();
        }
    }

    public TrainingValue Embed(Projection table)
    {
        tools.Clock?.Enter(TrainingPart.Elementwise);
        var result = Value(_config.HiddenSize);
        _kernels.Gather.Launch(
            _stream, TorchTensors.Pointer(table.Weight), input.Tokens, result.Pointer, _tokens, _config.HiddenSize);
        Note(() =>
        {
            tools.Clock?.Enter(TrainingPart.Elementwise);
            _kernels.AddEmbedding(
                _stream, _residualGradient, input.TokenOrder, input.TokenStart, input.TokenIds, Sum(table.Weight),
                input.DistinctTokens, _config.HiddenSize);
        });
        return result;
    }

    public TrainingValue Norm(TrainingValue value, RmsNorm norm)
    {
        tools.Clock?.Enter(TrainingPart.Elementwise);
        var result = NormOf(value, norm, _buffers.Take());
        result.Compute!(result.Pointer);
        Note(() => NormBackward(value, norm, result));
        return result;
    }

    public TrainingValue AddAndNorm(ref TrainingValue residual, TrainingValue update, RmsNorm norm)
    {
        tools.Clock?.Enter(TrainingPart.Elementwise);
        var result = NormOf(update, norm, _buffers.Take());
        // The sum overwrites the update, because the norm before needs the residual.
        _kernels.Norm.AddNormalize(
            _stream, residual.Pointer, update.Pointer, TorchTensors.Pointer(norm.Weight), result.Pointer, _tokens,
            _config.HiddenSize, _epsilon);
        Release(residual);
        residual = update;
        Note(() =>
        {
            NormBackward(update, norm, result);
            update.Gradient = _residualGradient; // as that of the residual before
        });
        return result;
    }

    public TrainingValue Project(TrainingValue value, Projection projection)
    {
        tools.Clock?.Enter(TrainingPart.Products);
        var again = _keeps && value.IsNormed && tools.Recompute == Recomputation.AttentionAndGate;
        var result = again
            ? new TrainingValue(_buffers.Take(), compute: to => ProjectAgain(value, projection, to))
            : Value((int)projection.Weight.size(0));
        _products.Forward(value.Pointer, projection, result.Pointer, _tokens);
        Release(value);
        Note(() => ProjectBackward(value, projection, result));
        return result;
    }

    public TrainingValue Gate(TrainingValue halves)
    {
        tools.Clock?.Enter(TrainingPart.Elementwise);
        void Compute(nint to) => _kernels.Gate.Launch(_stream, Bring(halves), to, _tokens, _config.IntermediateSize);
        var result = new TrainingValue(_buffers.Take(), compute: Compute);
        Compute(result.Pointer);
        Release(halves);
        Note(() =>
        {
            tools.Clock?.Enter(TrainingPart.Elementwise);
            halves.Gradient = _buffers.Take();
            _kernels.GateBackward(
                _stream, Bring(halves), result.Gradient, halves.Gradient, _tokens, _config.IntermediateSize);
            _buffers.Give(result.Gradient);
            Release(halves);
        });
        return result;
    }

    /// <summary>The norm of a value in a buffer, where it is not computed yet.</summary>
    private TrainingValue NormOf(TrainingValue value, RmsNorm norm, nint buffer) => new(
        buffer,
        compute: to => _kernels.Norm.Normalize(
            _stream, value.Pointer, TorchTensors.Pointer(norm.Weight), to, _tokens, _config.HiddenSize, _epsilon))
    {
        IsNormed = true,
    };

    private void NormBackward(TrainingValue normed, RmsNorm norm, TrainingValue result)
    {
        tools.Clock?.Enter(TrainingPart.Elementwise);
        _kernels.NormBackward(
            _stream, normed.Pointer, TorchTensors.Pointer(norm.Weight), result.Gradient, _residualGradient,
            Sum(norm.Weight), _partials, _tokens, _config.HiddenSize, _epsilon, adds: !_residualIsZero);
        _residualIsZero = false;
        _buffers.Give(result.Gradient);
    }

    private void ProjectBackward(TrainingValue projected, Projection projection, TrainingValue result)
    {
        var input = Bring(projected);
        tools.Clock?.Enter(TrainingPart.Products);
        _products.AddWeightGradient(input, result.Gradient, projection, Sum(projection.Weight), _tokens);
        Release(projected);
        if (projection.Bias is { } bias)
            _kernels.AddBiasGradient(_stream, result.Gradient, Sum(bias), _tokens, (int)bias.size(0));
        projected.Gradient = _buffers.Take();
        _products.InputGradient(result.Gradient, projection, projected.Gradient, _tokens);
        if (result.Gradient != _residualGradient)
            _buffers.Give(result.Gradient);
    }

    private void ProjectAgain(TrainingValue value, Projection projection, nint to)
    {
        var input = Bring(value);
        tools.Clock?.Enter(TrainingPart.Products);
        _products.Forward(input, projection, to, _tokens);
        Release(value);
    }

    /// <summary>The address of a value, which is computed again if it is not in memory; <see cref="Release"/> frees it.</summary>
    private nint Bring(TrainingValue value)
    {
        if (value.Pointer == 0)
        {
            tools.Clock?.Enter(TrainingPart.Elementwise);
            var buffer = _buffers.Take();
            value.Compute!(buffer);
            value.Pointer = buffer;
        }
        return value.Pointer;
    }

    private void Note(Action gradient)
    {
        if (_keeps)
            _backward.Push(gradient);
    }

    private TrainingValue Value(int width) => _keeps
        ? new(_reserve((long)_tokens * width * tools.ElementBytes), isKept: true)
        : new(_buffers.Take());

    private nint Sum(Tensor parameter) => TorchTensors.Pointer(gradients!(parameter));
}
