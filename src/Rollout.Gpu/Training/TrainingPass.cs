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
    public nint Pointer => pointer;

    public bool IsKept => isKept;

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

    /// <summary>Frees a value that nothing reads any more, except what gradients need.</summary>
    public void Release(TrainingValue value)
    {
        if (value.IsKept)
            return;
        if (value.Owner is null)
            _buffers.Give(value.Pointer);
        else if (!_keeps)
            value.Owner.Dispose();
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
        var result = Value((int)projection.Weight.size(0));
        _products.Forward(value.Pointer, projection, result.Pointer, _tokens);
        Release(value);
        Note(() => ProjectBackward(value, projection, result));
        return result;
    }

    public TrainingValue Attend(TrainingValue heads, Attention attention)
    {
        tools.Clock?.Enter(TrainingPart.Elementwise);
        var norms = attention.QkNorm is { } norm ? TorchTensors.Pointer(norm.Weight) : 0;
        var (queryHeads, kvHeads, headDim) = (attention.HeadCount, attention.KvHeadCount, attention.HeadDim);
        TrainingValue[] rotated =
            [Value(queryHeads * headDim), Value(kvHeads * headDim), Value(kvHeads * headDim)];
        _kernels.Rotate.Launch(
            _stream, heads.Pointer, norms, new PreparedTokens(input.Tokens, input.Positions, input.Slots, _angles),
            rotated[0].Pointer, rotated[1].Pointer, rotated[2].Pointer, _tokens, _epsilon);
        tools.Clock?.Enter(TrainingPart.Attention);
        var attended = _attention.Forward(
            Heads(rotated[0].Pointer, queryHeads, headDim), Heads(rotated[1].Pointer, kvHeads, headDim),
            Heads(rotated[2].Pointer, kvHeads, headDim));
        Release(heads);
        Array.ForEach(rotated, Release);
        var result = new TrainingValue(TorchTensors.Pointer(attended.Output), attended);
        Note(() => AttendBackward(heads, attention, norms, attended, result));
        return result;
    }

    public TrainingValue Gate(TrainingValue halves)
    {
        tools.Clock?.Enter(TrainingPart.Elementwise);
        void Compute(nint to) => _kernels.Gate.Launch(_stream, halves.Pointer, to, _tokens, _config.IntermediateSize);
        var result = new TrainingValue(_buffers.Take(), compute: Compute);
        Compute(result.Pointer);
        Release(halves);
        Note(() =>
        {
            tools.Clock?.Enter(TrainingPart.Elementwise);
            halves.Gradient = _buffers.Take();
            _kernels.GateBackward(
                _stream, halves.Pointer, result.Gradient, halves.Gradient, _tokens, _config.IntermediateSize);
            _buffers.Give(result.Gradient);
        });
        return result;
    }

    /// <summary>The norm of a value in a buffer, where it is not computed yet.</summary>
    private TrainingValue NormOf(TrainingValue value, RmsNorm norm, nint buffer) => new(
        buffer,
        compute: to => _kernels.Norm.Normalize(
            _stream, value.Pointer, TorchTensors.Pointer(norm.Weight), to, _tokens, _config.HiddenSize, _epsilon));

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
        var input = projected.Pointer;
        if (projected.Compute is { } compute)
        {
            tools.Clock?.Enter(TrainingPart.Elementwise);
            compute(input = _buffers.Take());
        }

        tools.Clock?.Enter(TrainingPart.Products);
        _products.AddWeightGradient(input, result.Gradient, projection, Sum(projection.Weight), _tokens);
        if (projected.Compute is not null)
            _buffers.Give(input);
        if (projection.Bias is { } bias)
            _kernels.AddBiasGradient(_stream, result.Gradient, Sum(bias), _tokens, (int)bias.size(0));
        projected.Gradient = _buffers.Take();
        _products.InputGradient(result.Gradient, projection, projected.Gradient, _tokens);
        if (result.Gradient != _residualGradient)
            _buffers.Give(result.Gradient);
    }

    private void AttendBackward(
        TrainingValue heads, Attention attention, nint norms, Attended attended, TrainingValue result)
    {
        tools.Clock?.Enter(TrainingPart.Attention);
        using var scope = NewDisposeScope();
        var (query, key, value) = _attention.Backward(
            attended, Heads(result.Gradient, attention.HeadCount, attention.HeadDim));
        tools.Clock?.Enter(TrainingPart.Elementwise);
        heads.Gradient = _buffers.Take();
        _kernels.RotateBackward(
            _stream, heads.Pointer, norms, _angles, TorchTensors.Pointer(query), TorchTensors.Pointer(key),
            TorchTensors.Pointer(value), heads.Gradient, norms == 0 ? 0 : Sum(attention.QkNorm!.Weight), _partials,
            _tokens, _epsilon);
        _buffers.Give(result.Gradient);
        attended.Dispose();
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

    private Tensor Heads(nint pointer, int heads, int headDim) =>
        TorchTensors.At(pointer, [_tokens, heads, headDim], model.Dtype, model.Device);
}
