using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Adapters;

/// <summary>Makes a model of a base and an adapter, for programs that know no adapters.</summary>
public static class MergedModel
{
    /// <summary>Writes the base with the adapter's sums added to its weights, in the type of its files.</summary>
    /// <param name="model">The base: a Hugging Face folder.</param>
    /// <param name="adapter">The adapter's folder.</param>
    /// <param name="folder">Must not exist yet; complete or not there at all.</param>
    /// <exception cref="CheckpointException">One of the folders can't be loaded, or the new one exists.</exception>
    public static void Write(string model, string adapter, string folder)
    {
        ScalarType dtype;
        using (var checkpoint = SafetensorsCheckpoint.Open(model))
            dtype = checkpoint.Find(checkpoint.Names.First())!.Value.Entry.Dtype;
        using var merged = HuggingFaceModel.Load(model, dtype, CPU);
        PeftAdapter.MergeInto(merged, adapter);
        HuggingFaceModel.Save(merged, folder, model);
    }
}
