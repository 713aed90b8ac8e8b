using Rollout.Gpu.Contracts;

namespace Rollout.Host.Bench;

/// <summary>Shapes of published models, which bench measures with random weights.</summary>
internal static class ModelShapes
{
    /// <summary>The values of --shape. qwen3-14m is this project's own, with 14 million parameters for a CPU.</summary>
    public static IReadOnlyList<string> Names => [.. Shapes.Keys];

    private static readonly Dictionary<string, ModelConfig> Shapes = new()
    {
        ["qwen3-14m"] = Qwen3(layers: 6, hidden: 384, intermediate: 1152, heads: 6, kvHeads: 2, headDim: 64, vocab: 8192),
        ["qwen3-0.6b"] = Qwen3(layers: 28, hidden: 1024, intermediate: 3072, heads: 16),
        ["qwen3-1.7b"] = Qwen3(layers: 28, hidden: 2048, intermediate: 6144, heads: 16),
        ["qwen3-4b"] = Qwen3(layers: 36, hidden: 2560, intermediate: 9728, heads: 32),
        ["qwen3-8b"] = Qwen3(layers: 36, hidden: 4096, intermediate: 12288, heads: 32) with { TieWordEmbeddings = false },
    };

    public static bool TryGet(string name, out ModelConfig shape) => Shapes.TryGetValue(name, out shape!);

    private static ModelConfig Qwen3(
        int layers, int hidden, int intermediate, int heads, int kvHeads = 8, int headDim = 128, int vocab = 151936) =>
        new()
        {
            ModelType = "qwen3",
            VocabSize = vocab,
            HiddenSize = hidden,
            IntermediateSize = intermediate,
            LayerCount = layers,
            HeadCount = heads,
            KvHeadCount = kvHeads,
            HeadDim = headDim,
            RmsNormEps = 1e-6,
            TieWordEmbeddings = true,
            Rope = new RopeSettings { Theta = 1_000_000 },
            HasQkNorm = true,
            HasQkvBias = false,
            HasOutputBias = false,
            HasMlpBias = false,
            MaxPositionEmbeddings = 40960,
        };
}
