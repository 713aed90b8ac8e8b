using System.Text.Json;
using System.Text.Json.Nodes;
using Rollout.Gpu.Contracts;
using TorchSharp;

namespace Rollout.Gpu.Models;

/// <summary>Writes config.json and generation_config.json with keys that transformers 4 and 5 read.</summary>
internal static class ModelConfigWriter
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes both files into an existing folder.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="dtype">The type of the weights in the folder, in which transformers loads them.</param>
    public static void Write(ModelConfig config, string folder, torch.ScalarType dtype)
    {
        File.WriteAllText(Path.Combine(folder, "config.json"),
            Config(config, dtype).ToJsonString(Indented) + "\n");
        File.WriteAllText(
            Path.Combine(folder, "generation_config.json"), Generation(config).ToJsonString(Indented) + "\n");
    }

    private static JsonObject Config(ModelConfig config, torch.ScalarType dtype) => new()
    {
        ["architectures"] = new JsonArray(config.Architecture),
        ["attention_bias"] = config.HasOutputBias,
        ["attention_dropout"] = 0.0,
        ["bos_token_id"] = config.BosTokenId,
        ["eos_token_id"] = Eos(config),
        ["head_dim"] = config.HeadDim,
        ["hidden_act"] = "silu",
        ["hidden_size"] = config.HiddenSize,
        ["initializer_range"] = 0.02,
        ["intermediate_size"] = config.IntermediateSize,
        ["max_position_embeddings"] = config.MaxPositionEmbeddings,
        ["mlp_bias"] = config.HasMlpBias,
        ["model_type"] = config.ModelType,
        ["num_attention_heads"] = config.HeadCount,
        ["num_hidden_layers"] = config.LayerCount,
        ["num_key_value_heads"] = config.KvHeadCount,
        ["pad_token_id"] = config.PadTokenId,
        ["rms_norm_eps"] = config.RmsNormEps,
        ["rope_scaling"] = Scaling(config.Rope),
        ["rope_theta"] = config.Rope.Theta,
        // Without the key, Mistral's window is 4096 tokens.
        ["sliding_window"] = null,
        ["tie_word_embeddings"] = config.TieWordEmbeddings,
        ["torch_dtype"] = DtypeName(dtype),
        ["use_cache"] = true,
        ["vocab_size"] = config.VocabSize,
    };

    private static JsonObject Generation(ModelConfig config)
    {
        var generation = new JsonObject { ["_from_model_config"] = true };
        if (config.BosTokenId is { } bos)
            generation["bos_token_id"] = bos;
        if (config.EosTokenIds.Count > 0)
            generation["eos_token_id"] = Eos(config);
        if (config.PadTokenId is { } pad)
            generation["pad_token_id"] = pad;
        return generation;
    }

    private static JsonNode? Eos(ModelConfig config) => config.EosTokenIds switch
    {
        [] => null,
        [var only] => JsonValue.Create(only),
        var several => new JsonArray([.. several.Select(id => (JsonNode)JsonValue.Create(id))]),
    };

    private static JsonObject? Scaling(RopeSettings rope) => rope.Type switch
    {
        RopeType.Linear => new JsonObject { ["rope_type"] = "linear", ["factor"] = rope.Factor },
        RopeType.Llama3 => new JsonObject
        {
            ["rope_type"] = "llama3",
            ["factor"] = rope.Factor,
            ["low_freq_factor"] = rope.LowFreqFactor,
            ["high_freq_factor"] = rope.HighFreqFactor,
            ["original_max_position_embeddings"] = rope.OriginalMaxPositionEmbeddings,
        },
        _ => null,
    };

    private static string DtypeName(torch.ScalarType dtype) => dtype switch
    {
        torch.ScalarType.Float32 => "float32",
        torch.ScalarType.Float16 => "float16",
        torch.ScalarType.BFloat16 => "bfloat16",
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype,
            "weights are float32, float16 or bfloat16"),
    };
}
