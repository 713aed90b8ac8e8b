using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>
/// A small random model. Its weights are larger than a real initialisation's, so that the best two logits are
/// far apart compared with rounding: greedy tokens of two correct engines are then equal, not just close.
/// </summary>
internal static class TinyPolicy
{
    public const int Vocabulary = 61;

    public static PolicyWeights Create(ulong seed, int heads = 4, int kvHeads = 2, int headDim = 8)
    {
        var config = new ModelConfig
        {
            ModelType = "qwen3",
            VocabSize = Vocabulary,
            HiddenSize = 24,
            IntermediateSize = 40,
            LayerCount = 2,
            HeadCount = heads,
            KvHeadCount = kvHeads,
            HeadDim = headDim,
            RmsNormEps = 1e-6,
            TieWordEmbeddings = false,
            Rope = new RopeSettings(),
            HasQkNorm = true,
            HasQkvBias = false,
            HasOutputBias = false,
            HasMlpBias = false,
            MaxPositionEmbeddings = 1024,
        };
        var model = new CausalLm(config, ScalarType.Float32, CPU);
        model.InitializeRandom(seed, std: 0.3);
        model.eval();
        return new PolicyWeights(model, new PolicyVersion(1));
    }

    public static ModelRunner Paged(
        PolicyWeights weights, int blocks, int blockSize, RowPadding? padding = null) => new(
        weights,
        new PagedKvCache(
            Shape(weights), new KvCacheGeometry(blocks, blockSize), ScalarType.Float32, CPU, threads: 2),
        threads: 2,
        padding);

    public static ModelRunner Contiguous(PolicyWeights weights, int rows, int longest) => new(
        weights,
        new ContiguousKvCache(Shape(weights), new KvCacheGeometry(rows, longest), ScalarType.Float32, CPU),
        threads: 2);

    /// <summary>Random prompts with these lengths.</summary>
    public static int[][] Prompts(Random random, IEnumerable<int> lengths) =>
        [.. lengths.Select(length => random.GetItems(Enumerable.Range(0, Vocabulary).ToArray(), length))];

    /// <summary>
    /// [tokens, vocab] log-probabilities of one sequence, computed whole and without a cache.
    /// </summary>
    public static float[,] Recompute(PolicyWeights weights, IReadOnlyList<int> tokens)
    {
        using var scope = NewDisposeScope();
        using var untracked = no_grad();
        var device = weights.Model.Device;
        var ids = tensor(tokens.Select(token => (long)token).ToArray(), device: device);
        var positions = arange(tokens.Count, ScalarType.Int64, device);
        var hidden = weights.Model.Hidden(ids, positions, new SdpaAttention(1, tokens.Count));
        var logits = weights.Model.Logits(hidden).to(ScalarType.Float32);
        return (float[,])logits.log_softmax(-1).cpu().data<float>().ToNDArray();
    }

    private static KvCacheShape Shape(PolicyWeights weights) => KvCacheShape.Of(weights.Model.Config);
}
