using System.Text.Json.Nodes;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Support;
using Xunit;

namespace Rollout.Gpu.Tests.Models;

public sealed class ModelConfigTests
{
    private const string Smallest = """
        {"model_type": "llama", "vocab_size": 10, "hidden_size": 8, "intermediate_size": 12,
         "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 32}
        """;

    [Fact]
    public void Keys_missing_in_config_json_have_the_defaults_of_transformers()
    {
        var config = Read(Smallest);

        Assert.Equal(4, config.KvHeadCount);
        Assert.Equal(2, config.HeadDim);
        Assert.Equal(1e-6, config.RmsNormEps);
        Assert.Equal(new RopeSettings { Theta = 10_000 }, config.Rope);
        Assert.False(config.TieWordEmbeddings || config.HasQkvBias || config.HasOutputBias
            || config.HasMlpBias);
        Assert.Empty(config.EosTokenIds);
        Assert.Null(config.BosTokenId);
    }

    [Theory]
    [InlineData("llama", false, false, false)]
    [InlineData("mistral", false, false, false)]
    [InlineData("qwen2", true, false, false)]
    [InlineData("qwen3", false, false, true)]
    public void Each_member_of_the_family_has_its_own_biases_and_norms(
        string type, bool qkv, bool output, bool norm)
    {
        var config = Read(With(("model_type", type), ("num_key_value_heads", 2), ("sliding_window", null)));

        Assert.Equal((qkv, output, norm), (config.HasQkvBias, config.HasOutputBias, config.HasQkNorm));
        Assert.Equal(type == "qwen3" ? 128 : 2, config.HeadDim);
    }

    [Theory]
    [InlineData("llama", true, true)]
    [InlineData("qwen3", true, true)]
    [InlineData("qwen2", true, false)]
    public void Attention_bias_means_all_four_projections_but_in_qwen2(string type, bool qkv, bool output)
    {
        var config = Read(With(("model_type", type), ("num_key_value_heads", 2), ("attention_bias", true)));

        Assert.Equal((qkv, output), (config.HasQkvBias, config.HasOutputBias));
    }

    [Theory]
    [InlineData("""{"rope_theta": 500000, "rope_scaling": {"type": "linear", "factor": 2}}""")]
    [InlineData("""{"rope_theta": 500000.0, "rope_scaling": {"rope_type": "linear", "factor": 2.0}}""")]
    [InlineData("""{"rope_parameters": {"rope_theta": 500000.0, "rope_type": "linear", "factor": 2.0}}""")]
    public void Both_spellings_of_the_rotary_settings_mean_the_same(string settings)
    {
        var config =
            Read(With([.. JsonNode.Parse(settings)!.AsObject().Select(pair => (pair.Key, pair.Value))]));

        Assert.Equal(new RopeSettings { Type = RopeType.Linear, Theta = 500_000, Factor = 2 }, config.Rope);
    }

    [Fact]
    public void A_null_rope_scaling_keeps_rope_theta()
    {
        var config = Read(With(("rope_theta", 1_000_000), ("rope_scaling", null)));

        Assert.Equal(new RopeSettings { Theta = 1e6 }, config.Rope);
    }

    [Fact]
    public void End_of_sequence_ids_of_both_files_count()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), With(("eos_token_id", 5), ("bos_token_id", 1)));
        Assert.Equal([5], ModelConfigReader.ReadFolder(folder.Path).EosTokenIds);

        File.WriteAllText(folder.At("generation_config.json"),
            """{"eos_token_id": [7, 5, 9], "bos_token_id": 2}""");
        var config = ModelConfigReader.ReadFolder(folder.Path);

        Assert.Equal([7, 5, 9], config.EosTokenIds);
        Assert.Equal(2, config.BosTokenId);
    }

    [Fact]
    public void A_saved_configuration_is_read_back()
    {
        foreach (var config in TinyModels.All)
        {
            using var folder = new TemporaryFolder();
            ModelConfigWriter.Write(config, folder.Path, TorchSharp.torch.ScalarType.Float32);
            var read = ModelConfigReader.ReadFolder(folder.Path);

            Assert.Equal(config.EosTokenIds, read.EosTokenIds);
            Assert.Equal(config, read with { EosTokenIds = config.EosTokenIds });
        }
    }

    public static TheoryData<string, string?, string> Refusals => new()
    {
        { "model_type", "\"gpt2\"", "model_type should be llama, mistral, qwen2 or qwen3, and is \"gpt2\"." },
        { "model_type", null, "model_type is missing." },
        { "architectures", """["Qwen3MoeForCausalLM"]""", "architectures names Qwen3MoeForCausalLM" },
        { "num_experts", "8", "num_experts is set, and mixtures of experts are not supported." },
        { "num_local_experts", "8", "num_local_experts is set" },
        { "quantization_config", """{"bits": 4}""", "quantization_config is set" },
        { "hidden_act", "\"gelu\"", "hidden_act should be silu, and is \"gelu\"." },
        { "layer_types", """["full_attention", "sliding_attention"]""",
            "layer_types puts a sliding window in use" },
        { "rope_scaling", """{"rope_type": "yarn", "factor": 4}""",
            "rope_type should be default, linear or llama3, and is \"yarn\"." },
        { "rope_scaling", """{"rope_type": "linear"}""", "factor is missing, and linear needs it." },
        { "rope_scaling", """{"rope_type": "llama3", "factor": 8}""", "low_freq_factor is missing" },
        { "partial_rotary_factor", "0.5", "partial_rotary_factor is not 1" },
        { "hidden_size", null, "hidden_size is missing." },
        { "hidden_size", "-8", "hidden_size should be a whole number of at least 1, and is -8." },
        { "hidden_size", "8.5", "hidden_size should be a whole number of at least 1, and is 8.5." },
        { "vocab_size", "\"many\"", "vocab_size should be a whole number of at least 1, and is \"many\"." },
        { "num_key_value_heads", "3", "num_key_value_heads should divide num_attention_heads 4, and is 3." },
        { "head_dim", "3", "head_dim should be even, and is 3." },
        { "rms_norm_eps", "0", "rms_norm_eps should be a number above 0, and is 0." },
        { "tie_word_embeddings", "1", "tie_word_embeddings should be true or false, and is 1." },
        { "eos_token_id", "[1, \"x\"]",
            "eos_token_id should be a whole number of at least 0, and is \"x\"." },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void An_unsupported_setting_is_refused_with_file_and_key(string key, string? value, string expected)
    {
        var settings = JsonNode.Parse(Smallest)!.AsObject();
        settings.Remove(key);
        if (value is not null)
            settings[key] = JsonNode.Parse(value);
        var error = Assert.Throws<CheckpointException>(() => Read(settings.ToJsonString()));

        Assert.Contains("config.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("mistral", 16, null, "sliding_window")]
    [InlineData("mistral", 32, null, null)]
    [InlineData("qwen2", 16, false, null)]
    [InlineData("qwen2", 16, true, "use_sliding_window")]
    [InlineData("llama", 16, null, null)]
    public void A_sliding_window_is_refused_only_where_it_would_be_used(
        string type, int window, bool? used, string? refusedKey)
    {
        var text = With(
            ("model_type", type), ("num_key_value_heads", 2), ("sliding_window", window),
            ("use_sliding_window", used), ("max_window_layers", 1));
        if (refusedKey is null)
        {
            Assert.Equal(type, Read(text).ModelType);
            return;
        }

        var error = Assert.Throws<CheckpointException>(() => Read(text));
        Assert.Contains($"{refusedKey} puts a sliding window in use", error.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"vocab_size\": 1,\n oops}", "is not JSON: line 2")]
    [InlineData("[1]", "should hold one JSON object.")]
    [InlineData("{\"\\ud800\": 1}", "not valid Unicode")]
    [InlineData("{\"model_type\": \"\\ud800\"}", "not valid Unicode")]
    public void A_file_that_is_not_a_JSON_object_is_refused(string text, string expected)
    {
        var error = Assert.Throws<CheckpointException>(() => Read(text));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<CheckpointException>(() => ModelConfigReader.ReadFolder(folder.Path));

        Assert.Equal($"{folder.At("config.json")} is not there.", error.Message);
    }

    private static string With(params (string Key, JsonNode? Value)[] changes)
    {
        var settings = JsonNode.Parse(Smallest)!.AsObject();
        foreach (var (key, value) in changes)
            settings[key] = value?.DeepClone();
        return settings.ToJsonString();
    }

    private static ModelConfig Read(string text)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), text);
        return ModelConfigReader.ReadConfig(folder.At("config.json"));
    }
}
