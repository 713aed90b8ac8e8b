using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Models;

/// <summary>
/// Reads config.json. Defaults and meanings are those of transformers' configuration classes. A key that changes the
/// computation and is not supported is refused by name, never ignored.
/// </summary>
public static class ModelConfigReader
{
    /// <summary>
    /// Reads a folder's config.json, and the end-of-sequence ids of its generation_config.json where there is one.
    /// </summary>
    /// <exception cref="CheckpointException">
    /// config.json is not there, is not JSON, lacks a key, or has a value that is not supported.
    /// </exception>
    public static ModelConfig ReadFolder(string folder)
    {
        var config = ReadConfig(Path.Combine(folder, "config.json"));
        var generation = Path.Combine(folder, "generation_config.json");
        if (!File.Exists(generation))
            return config;

        var file = ConfigFile.Read(generation);
        return config with
        {
            EosTokenIds = [.. file.Ids("eos_token_id").Union(config.EosTokenIds)],
            BosTokenId = file.Int("bos_token_id", 0) ?? config.BosTokenId,
        };
    }

    /// <summary>Reads one config.json.</summary>
    /// <exception cref="CheckpointException">The file can't be used, as for a folder.</exception>
    internal static ModelConfig ReadConfig(string path)
    {
        var file = ConfigFile.Read(path);
        var type = Family(file);
        RefuseUnsupported(file, type);

        var hidden = file.RequiredInt("hidden_size");
        var heads = file.RequiredInt("num_attention_heads");
        var kvHeads = file.Int("num_key_value_heads", 1)
            ?? (type == "llama" ? heads : throw file.Invalid("num_key_value_heads", "is missing"));
        if (heads % kvHeads != 0)
            throw file.Invalid("num_key_value_heads",
                $"should divide num_attention_heads {heads}, and is {kvHeads}");

        var headDim = file.Int("head_dim", 1) ?? (type == "qwen3" ? 128 : hidden / heads);
        if (headDim % 2 != 0 || headDim == 0)
            throw file.Invalid("head_dim", $"should be even, and is {headDim}");

        var attentionBias = file.Flag("attention_bias", whenAbsent: false) && type is "llama" or "qwen3";
        return new ModelConfig
        {
            ModelType = type,
            VocabSize = file.RequiredInt("vocab_size"),
            HiddenSize = hidden,
            IntermediateSize = file.RequiredInt("intermediate_size"),
            LayerCount = file.RequiredInt("num_hidden_layers"),
            HeadCount = heads,
            KvHeadCount = kvHeads,
            HeadDim = headDim,
            RmsNormEps = file.Positive("rms_norm_eps", 1e-6),
            TieWordEmbeddings = file.Flag("tie_word_embeddings", whenAbsent: false),
            Rope = Rope(file),
            HasQkNorm = type == "qwen3",
            HasQkvBias = type == "qwen2" || attentionBias,
            HasOutputBias = attentionBias,
            HasMlpBias = type == "llama" && file.Flag("mlp_bias", whenAbsent: false),
            MaxPositionEmbeddings = file.RequiredInt("max_position_embeddings"),
            EosTokenIds = file.Ids("eos_token_id"),
            BosTokenId = file.Int("bos_token_id", 0),
            PadTokenId = file.Int("pad_token_id", 0),
        };
    }

    private static string Family(ConfigFile file)
    {
        var type = file.Text("model_type") ?? throw file.Invalid("model_type", "is missing");
        if (type is not ("llama" or "mistral" or "qwen2" or "qwen3"))
            throw file.Invalid("model_type", $"should be llama, mistral, qwen2 or qwen3, and is \"{type}\"");

        if (file.Texts("architectures") is [var architecture, ..] && architecture is not
            ("LlamaForCausalLM" or "MistralForCausalLM" or "Qwen2ForCausalLM" or "Qwen3ForCausalLM"))
        {
            throw file.Invalid("architectures",
                $"names {architecture}, which is not a supported causal model");
        }

        return type;
    }

    private static void RefuseUnsupported(ConfigFile file, string type)
    {
        if (file.Has("quantization_config"))
            throw file.Invalid("quantization_config", "is set, and quantized weights are not supported");
        foreach (var key in (string[])["num_experts", "num_local_experts", "n_routed_experts"])
        {
            if (file.Has(key))
                throw file.Invalid(key, "is set, and mixtures of experts are not supported");
        }

        if (file.Text("hidden_act") is { } act && act is not ("silu" or "swish"))
            throw file.Invalid("hidden_act", $"should be silu, and is \"{act}\"");
        if (file.Positive("partial_rotary_factor", 1) != 1)
            throw file.Invalid("partial_rotary_factor",
                "is not 1, and rotating a part of each head is not supported");
        if (UsesSlidingWindow(file, type) is { } window)
            throw file.Invalid(window, "puts a sliding window in use, which is not supported");
    }

    /// <summary>The key that makes a layer attend to a window shorter than the context; null if none does.</summary>
    private static string? UsesSlidingWindow(ConfigFile file, string type)
    {
        if (file.Texts("layer_types") is [_, ..] layers)
            return layers.All(layer => layer == "full_attention") ? null : "layer_types";
        // Mistral's window is 4096 where the key is absent, and off where it is null.
        var window = file.Int("sliding_window", 0)
            ?? (type == "mistral" && !file.Names("sliding_window") ? 4096 : int.MaxValue);
        if (window >= file.RequiredInt("max_position_embeddings"))
            return null;

        return type switch
        {
            "mistral" => "sliding_window",
            "qwen2" or "qwen3" when file.Flag("use_sliding_window", whenAbsent: false)
                && (file.Int("max_window_layers", 0) ?? 28) < file.RequiredInt("num_hidden_layers") =>
                "use_sliding_window",
            _ => null,
        };
    }

    /// <summary>
    /// Reads rope_theta beside rope_scaling (transformers 4), or both inside rope_parameters (transformers 5).
    /// </summary>
    private static RopeSettings Rope(ConfigFile file)
    {
        var section = file.Section("rope_parameters") ?? file.Section("rope_scaling");
        var theta = file.Positive("rope_theta", 10_000);
        if (section is null)
            return new RopeSettings { Theta = theta };

        theta = section.Positive("rope_theta", theta);
        if (section.Positive("partial_rotary_factor", 1) != 1)
        {
            throw section.Invalid(
                "partial_rotary_factor", "is not 1, and rotating a part of each head is not supported");
        }

        var type = section.Text("rope_type") ?? section.Text("type") ?? "default";
        return type switch
        {
            "default" => new RopeSettings { Theta = theta },
            "linear" => new RopeSettings { Type = RopeType.Linear, Theta = theta, Factor = Factor("factor") },
            "llama3" => Llama3(),
            _ => throw section.Invalid("rope_type",
                $"should be default, linear or llama3, and is \"{type}\""),
        };

        double Factor(string key) =>
            section.Has(key)
                ? section.Positive(key, 1)
                : throw section.Invalid(key, $"is missing, and {type} needs it");

        RopeSettings Llama3()
        {
            var settings = new RopeSettings
            {
                Type = RopeType.Llama3,
                Theta = theta,
                Factor = Factor("factor"),
                LowFreqFactor = Factor("low_freq_factor"),
                HighFreqFactor = Factor("high_freq_factor"),
                OriginalMaxPositionEmbeddings = section.RequiredInt("original_max_position_embeddings"),
            };
            return settings.HighFreqFactor > settings.LowFreqFactor
                ? settings
                : throw section.Invalid("high_freq_factor",
                    $"should be above low_freq_factor {settings.LowFreqFactor}");
        }
    }
}
