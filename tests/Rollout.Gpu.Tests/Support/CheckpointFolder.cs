using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Support;

/// <summary>A saved model in a folder, for tests to damage.</summary>
internal sealed class CheckpointFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public CheckpointFolder(ModelConfig config)
    {
        using var model = TinyModels.Random(config);
        HuggingFaceModel.Save(model, Path);
    }

    public string Path => _folder.At("model");

    public string WeightsPath => System.IO.Path.Combine(Path, "model.safetensors");

    /// <summary>Writes the tensors again after a change to their names and values.</summary>
    public void Rewrite(Action<Dictionary<string, Tensor>> change)
    {
        using var scope = NewDisposeScope();
        var tensors = ReadAll();
        change(tensors);
        SafetensorsWriter.Write(WeightsPath, [.. tensors.Select(pair => (pair.Key, pair.Value))]);
    }

    /// <summary>All tensors, owned by the dispose scope of the caller.</summary>
    public Dictionary<string, Tensor> ReadAll()
    {
        using var file = SafetensorsFile.Open(WeightsPath);
        return file.Entries.ToDictionary(entry => entry.Name, entry => file.Read(entry.Name));
    }

    public void Dispose() => _folder.Dispose();
}
