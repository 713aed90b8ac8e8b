using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

// What learns: all weights, or an adapter.
public sealed partial class CausalLm
{
    /// <summary>The adapter, which alone learns; null where all weights do.</summary>
    internal ModelAdapter? Adapter { get; set; }

    /// <summary>Numbers of the base's weights.</summary>
    public long BaseParameterCount => parameters().Sum(parameter => parameter.numel());

    /// <summary>Numbers that learn: the adapter's, or else all.</summary>
    public long LearntParameterCount =>
        Adapter is { } adapter ? adapter.Leaves.Sum(leaf => leaf.Value.numel()) : BaseParameterCount;

    /// <summary>All projections that can have an adapter, in the order of the layers; the untied head is the last.</summary>
    internal IEnumerable<Projection> Projections() => _model.Layers
        .SelectMany(layer => (Projection[])[
            layer.Attention.QkvProj, layer.Attention.OProj, layer.Mlp.GateUpProj, layer.Mlp.DownProj])
        .Concat(_lmHead is null ? [] : [_lmHead]);

    /// <summary>
    /// What training changes, as views with the names that files have: the adapter's tensors, or else every weight. The
    /// current dispose scope owns the views.
    /// </summary>
    internal IEnumerable<(string Name, Tensor Value)> LearntTensors() => Adapter is { } adapter
        ? adapter.Tensors.Select(tensor => (tensor.Name, tensor.Value.detach()))
        : CheckpointTensors().Select(weight => (weight.Name, weight.View()));
}
