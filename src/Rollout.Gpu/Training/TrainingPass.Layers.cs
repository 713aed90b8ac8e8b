using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Layers whose forward pass the backward pass computes again (Chen et al. 2016, arXiv 1604.06174). Only the residual
/// stream before each layer is kept. All layers use one layer's memory by turns, and they compute the same numbers twice.
/// </summary>
internal sealed partial class TrainingPass
{
    private readonly RepeatedMemory _ofLayer = new(arena);

    public TrainingValue Layer(DecoderLayer layer, ref TrainingValue residual, TrainingValue hidden, RmsNorm next)
    {
        if (gradients is null || tools.Recompute != Recomputation.Layers)
            return layer.Forward(this, ref residual, hidden, next);
        var before = residual;
        _keeps = false;
        var passing = layer.Forward(this, ref residual, hidden, next);
        _keeps = true;
        residual = Keep(residual);
        var result = NormOf(residual, next, passing.Pointer);
        Note(() => LayerBackward(layer, before, hidden, next, result));
        return result;
    }

    private void LayerBackward(
        DecoderLayer layer, TrainingValue before, TrainingValue hidden, RmsNorm next, TrainingValue result)
    {
        var earlier = _backward.Count;
        Bring(hidden);
        _ofLayer.Restart();
        _reserve = _ofLayer.Reserve;
        var residual = before;
        var output = layer.Forward(this, ref residual, hidden, next);
        _reserve = arena.Reserve;
        Release(output);
        output.Gradient = result.Gradient;
        while (_backward.Count > earlier)
            _backward.Pop()();
    }

    /// <summary>Copies a value of the residual stream to memory of its own, and frees its buffer.</summary>
    private TrainingValue Keep(TrainingValue value)
    {
        var kept = Value(_config.HiddenSize);
        Tensor Rows(nint pointer) => TorchTensors.At(pointer, [_tokens, _config.HiddenSize], model.Dtype, model.Device);
        using var from = Rows(value.Pointer);
        using var to = Rows(kept.Pointer);
        to.copy_(from);
        Release(value);
        return kept;
    }
}
