using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Weights;

/// <summary>Reads and writes models as folders in Hugging Face's layout.</summary>
public static class HuggingFaceModel
{
    /// <summary>Files that are copied with a model from its source, where the source has them.</summary>
    private static readonly string[] CopiedFiles =
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json",
        "generation_config.json",
    ];

    /// <summary>
    /// Reads config.json and the weights of a folder. The two are compared before memory is allocated for the model.
    /// </summary>
    /// <exception cref="CheckpointException">The folder isn't a model that can be loaded.</exception>
    public static CausalLm Load(string folder, ScalarType dtype, Device device)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException($"{folder} is not a folder.");
        var config = ModelConfigReader.ReadFolder(folder);
        WeightLoader.RequireShapes(config, folder);
        var model = new CausalLm(config, dtype, device);
        try
        {
            WeightLoader.Load(model, folder);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Replaces a model's weights by those of a folder with the same architecture. Names, shapes and types are checked before
    /// the first weight changes.
    /// </summary>
    /// <exception cref="CheckpointException">The folder's weights can't be loaded; some may have changed.</exception>
    public static void LoadInto(CausalLm model, string folder)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException($"{folder} is not a folder.");
        using var scope = NewDisposeScope();
        using var unrecorded = no_grad();
        WeightLoader.Load(model, folder);
    }

    /// <summary>Refuses a model that is larger than the machine's memory, before any of it is allocated.</summary>
    /// <param name="config">The model's sizes.</param>
    /// <param name="dtype">The type of the weights.</param>
    /// <param name="available">Bytes of memory.</param>
    /// <exception cref="CheckpointException">The model does not fit.</exception>
    public static void RequireMemory(ModelConfig config, ScalarType dtype, long available)
    {
        var bytes = ExpectedShapes.CountOf(config) * dtype.ElementSize();
        if (bytes > available)
        {
            throw new CheckpointException(
                $"The model's config.json describes weights of {bytes} bytes, and the machine has {available} bytes of "
                + "memory.");
        }
    }

    /// <summary>Compares a model's files with the manifest of its checkpoint, where the folder has one.</summary>
    /// <exception cref="CheckpointException">A file is not as it was saved.</exception>
    public static void Verify(string folder) => CheckpointManifest.VerifyModel(folder);

    /// <summary>Writes a model into a new folder, complete or not at all.</summary>
    /// <param name="model">The weights, written in the model's own type.</param>
    /// <param name="folder">Must not exist yet; its parent may be missing.</param>
    /// <param name="source">A model folder whose tokenizer and generation settings are copied along.</param>
    /// <exception cref="CheckpointException">The folder exists.</exception>
    public static void Save(CausalLm model, string folder, string? source = null)
    {
        var target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (Path.Exists(target))
            throw new CheckpointException(
                $"{folder} exists already, and a model is saved into a new folder only.");
        var temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        Directory.CreateDirectory(temporary);
        try
        {
            WriteInto(model, temporary, source);
            DurableFiles.MoveFolder(temporary, target);
        }
        finally
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
        }
    }

    /// <summary>Copies what a model folder has beside config.json and weights: tokenizer, chat format, generation settings.</summary>
    public static void CopyCompanions(string source, string folder)
    {
        foreach (var name in CopiedFiles.Where(name => File.Exists(Path.Combine(source, name))))
            File.Copy(Path.Combine(source, name), Path.Combine(folder, name), overwrite: true);
    }

    /// <summary>Writes a model's files into an existing folder, which the caller publishes as a whole.</summary>
    public static void WriteInto(CausalLm model, string folder, string? source = null)
    {
        ModelConfigWriter.Write(model.Config, folder, model.Dtype);
        if (source is not null)
            CopyCompanions(source, folder);

        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(
            Path.Combine(folder, "model.safetensors"),
            [.. model.CheckpointTensors().Select(weight => (weight.Name, weight.View()))]);
    }
}
