using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Support;

/// <summary>
/// Models small enough to check by hand, one for each way in which the family's members differ.
/// </summary>
internal static class TinyModels
{
    /// <summary>No biases, no q/k norm, tied head: the plainest.</summary>
    public static ModelConfig Llama { get; } = new()
    {
        ModelType = "llama",
        VocabSize = 37,
        HiddenSize = 16,
        IntermediateSize = 24,
        LayerCount = 2,
        HeadCount = 4,
        KvHeadCount = 2,
        HeadDim = 4,
        RmsNormEps = 1e-6,
        TieWordEmbeddings = true,
        Rope = new RopeSettings(),
        HasQkNorm = false,
        HasQkvBias = false,
        HasOutputBias = false,
        HasMlpBias = false,
        MaxPositionEmbeddings = 64,
        EosTokenIds = [2],
        BosTokenId = 1,
    };

    /// <summary>Every bias there is, an untied head and stretched frequencies.</summary>
    public static ModelConfig LlamaWithBiases { get; } = Llama with
    {
        HasQkvBias = true,
        HasOutputBias = true,
        HasMlpBias = true,
        TieWordEmbeddings = false,
        Rope = new RopeSettings
        {
            Type = RopeType.Llama3,
            Theta = 500_000,
            Factor = 8,
            OriginalMaxPositionEmbeddings = 64,
        },
    };

    /// <summary>Biases on q, k and v only; several ids that end a sequence.</summary>
    public static ModelConfig Qwen2 { get; } = Llama with
    {
        ModelType = "qwen2",
        HasQkvBias = true,
        EosTokenIds = [2, 3],
        Rope = new RopeSettings { Type = RopeType.Linear, Theta = 1e6, Factor = 4 },
    };

    /// <summary>q/k norm, and heads that together are wider than the hidden state.</summary>
    public static ModelConfig Qwen3 { get; } =
        Llama with { ModelType = "qwen3", HasQkNorm = true, HeadDim = 8 };

    public static ModelConfig Mistral { get; } =
        Llama with { ModelType = "mistral", TieWordEmbeddings = false };

    public static ModelConfig[] All { get; } = [Llama, LlamaWithBiases, Qwen2, Qwen3, Mistral];

    /// <summary>
    /// Random weights of a size that makes every part matter: norms and biases are random too.
    /// </summary>
    public static CausalLm Random(ModelConfig config, ulong seed = 1, ScalarType dtype = ScalarType.Float32)
    {
        var model = new CausalLm(config, dtype, CPU);
        model.InitializeRandom(seed, std: 0.3);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new Generator(seed);
        foreach (var weight in model.CheckpointTensors().Where(weight => weight.Kind != WeightKind.Matrix))
            weight.View().add_(randn(weight.ElementCount, generator: generator).mul_(0.3).to(dtype));
        return model;
    }

    /// <summary>
    /// Logits of whole rows of equal length by plain attention: [rows, length, vocab] float32.
    /// </summary>
    public static Tensor Logits(CausalLm model, params long[][] rows)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var length = rows[0].Length;
        var hidden = model.Hidden(
            tensor(rows.SelectMany(row => row).ToArray()), Positions(rows.Length, length),
            new SdpaAttention(rows.Length, length));
        var logits = model.Logits(hidden).to(ScalarType.Float32);
        return logits.view(rows.Length, length, -1).MoveToOuterDisposeScope();
    }

    /// <summary>[rows × length] 0 … length − 1 for each row.</summary>
    public static Tensor Positions(int rows, int length) =>
        tensor(Enumerable.Range(0, rows * length).Select(i => (long)(i % length)).ToArray());
}
