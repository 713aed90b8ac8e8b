using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Weights;

/// <summary>
/// Loads a checkpoint's tensors into a model by Hugging Face's names, in the model's type and on its device.
/// </summary>
internal static class WeightLoader
{
    /// <summary>Buffers of older Llama checkpoints, which the configuration determines.</summary>
    private const string DerivedSuffix = ".rotary_emb.inv_freq";

    /// <summary>
    /// Compares config.json with the headers of the weight files; reads no weight and allocates no model.
    /// </summary>
    /// <exception cref="CheckpointException">A matrix is missing or has another shape; says which.</exception>
    public static void RequireShapes(ModelConfig config, string folder)
    {
        using var checkpoint = SafetensorsCheckpoint.Open(folder);
        foreach (var (name, shape) in ExpectedShapes.Of(config))
            Match(checkpoint, name, shape);
    }

    /// <summary>Loads every weight. Checks all names, shapes and types before the first weight changes.</summary>
    /// <param name="model">The model to fill.</param>
    /// <param name="folder">A folder with model.safetensors, or its shards and index.</param>
    /// <exception cref="CheckpointException">
    /// A tensor is missing, unknown, misshapen, not floating point, or holds a number that is not finite.
    /// </exception>
    public static void Load(CausalLm model, string folder)
    {
        using var checkpoint = SafetensorsCheckpoint.Open(folder);
        var weights = model.CheckpointTensors().ToArray();
        var sources = weights.Select(weight => Match(checkpoint, weight.Name, weight.Shape)).ToArray();
        RefuseUnknown(checkpoint, model.Config, weights);

        foreach (var (weight, source) in weights.Zip(sources))
        {
            using var destination = weight.View();
            source.File.CopyTo(source.Entry, destination);
        }

        using var scope = NewDisposeScope();
        if (FiniteCheck.FirstBroken(weights.Select(weight => (weight.Name, weight.View()))) is { } broken)
        {
            throw new CheckpointException(
                $"{checkpoint.Find(broken)!.Value.File.Path}: tensor {broken} holds a number that is not finite.");
        }
    }

    private static (SafetensorsFile File, SafetensorsEntry Entry) Match(
        SafetensorsCheckpoint checkpoint, string name, IReadOnlyList<long> shape)
    {
        if (checkpoint.Find(name) is not { } found)
            throw new CheckpointException($"{checkpoint.Path} has no tensor {name}.");
        if (!found.Entry.Shape.SequenceEqual(shape))
        {
            throw new CheckpointException(
                $"{found.File.Path}: tensor {name} should be {SafetensorsEntry.Shown(shape)} "
                + $"by config.json, and is {SafetensorsEntry.Shown(found.Entry.Shape)}.");
        }

        if (found.Entry.Dtype is not
            (ScalarType.Float64 or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16))
        {
            throw new CheckpointException(
                $"{found.File.Path}: tensor {name} should be floating point, and is "
                + $"{SafetensorsHeader.NameOf(found.Entry.Dtype)}.");
        }

        return found;
    }

    private static void RefuseUnknown(
        SafetensorsCheckpoint checkpoint, ModelConfig config, CheckpointTensor[] weights)
    {
        var known = weights.Select(weight => weight.Name).ToHashSet();
        foreach (var name in checkpoint.Names)
        {
            // Some checkpoints repeat a tied head. As in transformers, the embedding counts.
            var expected = known.Contains(name)
                || (config.TieWordEmbeddings && name == CheckpointTensors.TiedHead)
                || name.EndsWith(DerivedSuffix, StringComparison.Ordinal);
            if (!expected)
            {
                throw new CheckpointException(
                    $"{checkpoint.Find(name)!.Value.File.Path}: tensor {name} has no place in a "
                    + $"{config.ModelType} model of {config.LayerCount} layers.");
            }
        }
    }
}
