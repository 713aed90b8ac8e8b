using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Attention of a layer: norm and rotation of queries and keys, attention, and its gradient, for which norm and rotation
/// are computed again.
/// </summary>
internal sealed partial class TrainingPass
{
    public TrainingValue Attend(TrainingValue heads, Attention attention)
    {
        var buffer = _buffers.Take();
        using var rotated = Rotate(heads.Pointer, attention, buffer);
        tools.Clock?.Enter(TrainingPart.Attention);
        var attended = _attention.Forward(rotated);
        _buffers.Give(buffer);
        Release(heads);
        var result = new TrainingValue(TorchTensors.Pointer(attended.Output), attended);
        Note(() => AttendBackward(heads, attention, attended, result));
        return result;
    }

    private void AttendBackward(TrainingValue heads, Attention attention, Attended attended, TrainingValue result)
    {
        using var scope = NewDisposeScope();
        var from = Bring(heads);
        var buffer = _buffers.Take();
        var rotated = Rotate(from, attention, buffer);
        tools.Clock?.Enter(TrainingPart.Attention);
        var slopes = _attention.Backward(
            rotated, attended, Heads(result.Gradient, attention.HeadCount, attention.HeadDim));
        attended.Dispose();
        _buffers.Give(buffer);
        _buffers.Give(result.Gradient);
        tools.Clock?.Enter(TrainingPart.Elementwise);
        heads.Gradient = _buffers.Take();
        var norms = Norms(attention);
        _kernels.RotateBackward(
            _stream, from, norms, _angles, TorchTensors.Pointer(slopes.Query), TorchTensors.Pointer(slopes.Key),
            TorchTensors.Pointer(slopes.Value), heads.Gradient, norms == 0 ? 0 : Sum(attention.QkNorm!.Weight), _partials,
            _tokens, _epsilon);
        Release(heads);
    }

    /// <summary>Queries and keys, normed and rotated, and values, one behind the other in a buffer.</summary>
    private HeadTensors Rotate(nint heads, Attention attention, nint buffer)
    {
        tools.Clock?.Enter(TrainingPart.Elementwise);
        var (queryHeads, kvHeads, headDim) = (attention.HeadCount, attention.KvHeadCount, attention.HeadDim);
        nint Bytes(int count) => (nint)_tokens * count * headDim * tools.ElementBytes;
        var (key, value) = (buffer + Bytes(queryHeads), buffer + Bytes(queryHeads + kvHeads));
        _kernels.Rotate.Launch(
            _stream, heads, Norms(attention), new PreparedTokens(input.Tokens, input.Positions, input.Slots, _angles),
            buffer, key, value, _tokens, _epsilon);
        return new HeadTensors(Heads(buffer, queryHeads, headDim), Heads(key, kvHeads, headDim), Heads(value, kvHeads, headDim));
    }

    private Tensor Heads(nint pointer, int heads, int headDim) =>
        TorchTensors.At(pointer, [_tokens, heads, headDim], model.Dtype, model.Device);

    private static nint Norms(Attention attention) =>
        attention.QkNorm is { } norm ? TorchTensors.Pointer(norm.Weight) : 0;
}
