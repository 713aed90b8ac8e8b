using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Weights;

/// <summary>
/// The matrices that config.json asks for, by Hugging Face's names, computed without a model: their sizes decide how
/// much memory a model takes. Sizes are 64 bits wide, so that no configuration overflows them.
/// </summary>
internal static class ExpectedShapes
{
    /// <summary>All matrices, layer after layer. A sequence, as a configuration may ask for a billion layers.</summary>
    public static IEnumerable<(string Name, long[] Shape)> Of(ModelConfig config)
    {
        yield return ("model.embed_tokens.weight", [config.VocabSize, config.HiddenSize]);
        for (var layer = 0; layer < config.LayerCount; layer++)
        {
            foreach (var (name, shape) in OfLayer(config))
                yield return ($"model.layers.{layer}.{name}.weight", shape);
        }

        if (!config.TieWordEmbeddings)
            yield return (CheckpointTensors.TiedHead, [config.VocabSize, config.HiddenSize]);
    }

    /// <summary>Numbers in all matrices.</summary>
    public static decimal CountOf(ModelConfig config)
    {
        var embedding = (decimal)config.VocabSize * config.HiddenSize;
        var layer = OfLayer(config).Sum(matrix => (decimal)matrix.Shape[0] * matrix.Shape[1]);
        return (embedding * (config.TieWordEmbeddings ? 1 : 2)) + (layer * config.LayerCount);
    }

    private static (string Name, long[] Shape)[] OfLayer(ModelConfig config)
    {
        var queries = (long)config.HeadCount * config.HeadDim;
        var keys = (long)config.KvHeadCount * config.HeadDim;
        return
        [
            ("self_attn.q_proj", [queries, config.HiddenSize]),
            ("self_attn.k_proj", [keys, config.HiddenSize]),
            ("self_attn.v_proj", [keys, config.HiddenSize]),
            ("self_attn.o_proj", [config.HiddenSize, queries]),
            ("mlp.gate_proj", [config.IntermediateSize, config.HiddenSize]),
            ("mlp.up_proj", [config.IntermediateSize, config.HiddenSize]),
            ("mlp.down_proj", [config.HiddenSize, config.IntermediateSize]),
        ];
    }
}
