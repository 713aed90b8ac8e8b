using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>A parameter that an optimizer changes in place.</summary>
/// <param name="Name">Its name in the module: names its state.</param>
/// <param name="Value">A leaf that requires gradients.</param>
/// <param name="Decays">Weight decay applies to it.</param>
internal sealed record OptimizedParameter(string Name, Tensor Value, bool Decays)
{
    /// <summary>
    /// The leaves of a model's adapter, or else all its parameters. Norms and biases do not decay, as in the Hugging Face
    /// Trainer.
    /// </summary>
    public static IReadOnlyList<OptimizedParameter> Of(CausalLm model)
    {
        if (model.Adapter is { } adapter)
            return [.. adapter.Leaves.Select(leaf => new OptimizedParameter(leaf.Name, leaf.Value, Decays: true))];
        var matrices = model.CheckpointTensors()
            .Where(part => part.Kind == WeightKind.Matrix)
            .Select(part => part.Storage)
            .ToHashSet<object>(ReferenceEqualityComparer.Instance);
        return
        [
            .. model.named_parameters().Select(entry =>
                new OptimizedParameter(entry.name, entry.parameter, matrices.Contains(entry.parameter))),
        ];
    }
}
