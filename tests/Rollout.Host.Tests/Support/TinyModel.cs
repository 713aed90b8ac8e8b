using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using TorchSharp;

namespace Rollout.Host.Tests.Support;

/// <summary>Models of the arithmetic job's shape with random weights: 16 tokens, most of them one character.</summary>
internal static class TinyModel
{
    public static string Source { get; } = TestFiles.Repository("models/arithmetic");

    /// <summary>Saves one into a new folder below another, with its tokenizer.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="change">Done to the model first.</param>
    /// <param name="withTokenizer">Off leaves tokenizer.json out.</param>
    /// <returns>The model's folder.</returns>
    public static string Save(TemporaryFolder folder, Action<CausalLm>? change = null, bool withTokenizer = true)
    {
        LibTorch.Load();
        using var model = new CausalLm(ModelConfigReader.ReadFolder(Source), torch.ScalarType.Float32, torch.CPU);
        model.InitializeRandom(seed: 3, std: 0.3);
        change?.Invoke(model);
        var path = folder.At($"model-{Guid.NewGuid():N}");
        HuggingFaceModel.Save(model, path, withTokenizer ? Source : null);
        return path;
    }
}
