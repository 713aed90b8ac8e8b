using System.Text.Json.Nodes;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Weights;

public sealed class WeightLoaderTests
{
    private static readonly long[] Row = [3, 14, 15, 9, 26];

    [Fact]
    public void A_missing_tensor_is_named()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        folder.Rewrite(tensors => tensors.Remove("model.layers.1.self_attn.k_norm.weight"));

        Assert.Equal(
            $"{folder.WeightsPath} has no tensor model.layers.1.self_attn.k_norm.weight.",
            Refused(folder).Message);
    }

    [Fact]
    public void A_tensor_without_a_place_is_named()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        folder.Rewrite(tensors => tensors["model.layers.2.mlp.up_proj.weight"] = rand(24, 16));

        Assert.Equal(
            $"{folder.WeightsPath}: tensor model.layers.2.mlp.up_proj.weight has no place in a qwen3 model of 2 layers.",
            Refused(folder).Message);
    }

    [Fact]
    public void A_misshapen_tensor_is_named_with_both_shapes()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        folder.Rewrite(tensors => tensors["model.layers.0.mlp.up_proj.weight"] = rand(16, 24));

        Assert.Equal(
            $"{folder.WeightsPath}: tensor model.layers.0.mlp.up_proj.weight should be [24, 16] by config.json, "
            + "and is [16, 24].",
            Refused(folder).Message);
    }

    [Theory]
    [InlineData("hidden_size", 1_000_000_000, "tensor model.embed_tokens.weight should be [37, 1000000000] by config.json")]
    [InlineData("vocab_size", 2_000_000_000, "tensor model.embed_tokens.weight should be [2000000000, 16] by config.json")]
    [InlineData("num_hidden_layers", 2_000_000_000, "has no tensor model.layers.2.self_attn.q_proj.weight.")]
    [InlineData("intermediate_size", 2_000_000_000, "should be [2000000000, 16] by config.json")]
    [InlineData("head_dim", 2_000_000_000, "should be [8000000000, 16] by config.json")]
    public void A_configuration_of_other_sizes_is_refused_before_memory_is_taken(string key, int value, string expected)
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        var path = Path.Combine(folder.Path, "config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!;
        config[key] = value;
        File.WriteAllText(path, config.ToJsonString());

        Assert.Contains(
            expected,
            Assert.Throws<CheckpointException>(() => HuggingFaceModel.Load(folder.Path, ScalarType.Float32, CPU)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1_000_000_000, 2)]
    [InlineData(16, 2_000_000_000)]
    public void Random_weights_that_the_machine_has_no_memory_for_are_refused(int hidden, int layers)
    {
        var config = TinyModels.Qwen3 with { HiddenSize = hidden, LayerCount = layers };

        Assert.Throws<CheckpointException>(() => HuggingFaceModel.RequireMemory(config, ScalarType.Float32, 1L << 36));
        HuggingFaceModel.RequireMemory(TinyModels.Qwen3, ScalarType.Float32, 1L << 20);
    }

    [Fact]
    public void A_tensor_that_holds_NaN_is_named()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        folder.Rewrite(tensors => tensors["model.layers.1.mlp.down_proj.weight"][3, 4] = float.NaN);

        Assert.Equal(
            $"{folder.WeightsPath}: tensor model.layers.1.mlp.down_proj.weight holds a number that is not finite.",
            Refused(folder).Message);
    }

    [Fact]
    public void A_tensor_of_whole_numbers_is_refused()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        folder.Rewrite(tensors => tensors["model.norm.weight"] = ones(16, dtype: ScalarType.Int64));

        Assert.Equal(
            $"{folder.WeightsPath}: tensor model.norm.weight should be floating point, and is I64.",
            Refused(folder).Message);
    }

    [Fact]
    public void A_refused_checkpoint_changes_no_weight()
    {
        using var folder = new CheckpointFolder(TinyModels.Llama);
        folder.Rewrite(tensors => tensors.Remove("model.norm.weight"));
        using var model = TinyModels.Random(TinyModels.Llama, seed: 2);
        using var scope = NewDisposeScope();
        var before = TinyModels.Logits(model, Row);

        Assert.Throws<CheckpointException>(() => WeightLoader.Load(model, folder.Path));
        Assert.True(before.Equals(TinyModels.Logits(model, Row)));
    }

    [Fact]
    public void A_tied_head_may_be_repeated_and_an_untied_one_must_be_there()
    {
        using var tied = new CheckpointFolder(TinyModels.Llama);
        using var expected = HuggingFaceModel.Load(tied.Path, ScalarType.Float32, CPU);
        tied.Rewrite(tensors => tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone());
        using var actual = HuggingFaceModel.Load(tied.Path, ScalarType.Float32, CPU);
        using var scope = NewDisposeScope();
        Assert.True(TinyModels.Logits(expected, Row).Equals(TinyModels.Logits(actual, Row)));

        using var untied = new CheckpointFolder(TinyModels.Mistral);
        untied.Rewrite(tensors => tensors.Remove("lm_head.weight"));
        Assert.Equal($"{untied.WeightsPath} has no tensor lm_head.weight.", Refused(untied).Message);
    }

    [Fact]
    public void Frequencies_that_old_checkpoints_carry_are_left_aside()
    {
        using var folder = new CheckpointFolder(TinyModels.Llama);
        folder.Rewrite(tensors => tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = rand(2));

        HuggingFaceModel.Load(folder.Path, ScalarType.Float32, CPU).Dispose();
    }

    [Fact]
    public void Shards_make_the_same_model_as_one_file()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        using var whole = HuggingFaceModel.Load(folder.Path, ScalarType.Float32, CPU);
        Shard(folder);
        using var sharded = HuggingFaceModel.Load(folder.Path, ScalarType.Float32, CPU);
        using var scope = NewDisposeScope();

        Assert.True(TinyModels.Logits(whole, Row).Equals(TinyModels.Logits(sharded, Row)));
    }

    [Fact]
    public void An_index_that_misplaces_a_tensor_is_refused()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        Shard(folder, map => map["model.norm.weight"] = "model-00001-of-00002.safetensors");

        Assert.EndsWith(
            "index.json places tensor model.norm.weight in model-00001-of-00002.safetensors, which does not have it.",
            Refused(folder).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../model.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("")]
    public void An_index_leads_nowhere_but_to_its_own_folder(string shard)
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        Shard(folder, map => map["model.norm.weight"] = shard);

        Assert.EndsWith(
            $"index.json names \"{shard}\", which is not a file of its folder.", Refused(folder).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "has no weight_map.")]
    [InlineData("{\"weight_map\": {\"a\": 3}}", "is not JSON that maps tensors to files.")]
    [InlineData("oops", "is not JSON that maps tensors to files.")]
    public void An_index_that_is_none_is_refused(string text, string expected)
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        Shard(folder);
        File.WriteAllText(Path.Combine(folder.Path, "model.safetensors.index.json"), text);

        Assert.EndsWith(expected, Refused(folder).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_shard_and_missing_weights_are_named()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        Shard(folder);
        var shard = Path.Combine(folder.Path, "model-00002-of-00002.safetensors");
        File.Delete(shard);
        Assert.Equal($"{shard} is not there.", Refused(folder).Message);

        File.Delete(Path.Combine(folder.Path, "model.safetensors.index.json"));
        Assert.Equal(
            $"{folder.Path} has neither model.safetensors nor model.safetensors.index.json.",
            Refused(folder).Message);
    }

    [Fact]
    public void Weights_are_converted_to_the_type_that_was_asked_for()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        using var model = HuggingFaceModel.Load(folder.Path, ScalarType.BFloat16, CPU);
        using var scope = NewDisposeScope();
        var saved = folder.ReadAll();

        foreach (var weight in model.CheckpointTensors())
            Assert.True(saved[weight.Name].to(ScalarType.BFloat16).Equals(weight.View()), weight.Name);
    }

    [Fact]
    public void Loading_leaves_no_tensor_but_the_model_behind()
    {
        using var folder = new CheckpointFolder(TinyModels.Qwen3);
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;
        var before = statistics.ThreadTotalLiveCount;
        HuggingFaceModel.Load(folder.Path, ScalarType.BFloat16, CPU).Dispose();

        Assert.Equal(before, statistics.ThreadTotalLiveCount);
    }

    private static CheckpointException Refused(CheckpointFolder folder)
    {
        var error = Assert.Throws<CheckpointException>(
            () => HuggingFaceModel.Load(folder.Path, ScalarType.Float32, CPU));
        Assert.DoesNotContain('\n', error.Message);
        return error;
    }

    /// <summary>Splits the one file in two and writes their index.</summary>
    private static void Shard(CheckpointFolder folder, Action<Dictionary<string, string>>? change = null)
    {
        using var scope = NewDisposeScope();
        var tensors = folder.ReadAll().OrderBy(pair => pair.Key, StringComparer.Ordinal).ToArray();
        var map = new Dictionary<string, string>();
        foreach (var (index, part) in tensors.Chunk((tensors.Length + 1) / 2).Index())
        {
            var name = $"model-{index + 1:D5}-of-00002.safetensors";
            SafetensorsWriter.Write(
                Path.Combine(folder.Path, name), [.. part.Select(pair => (pair.Key, pair.Value))]);
            foreach (var (tensor, _) in part)
                map[tensor] = name;
        }

        File.Delete(folder.WeightsPath);
        change?.Invoke(map);
        var settings = new JsonObject
        {
            ["metadata"] = new JsonObject { ["total_size"] = 1 },
            ["weight_map"] = new JsonObject(map.Select(pair =>
                KeyValuePair.Create(pair.Key, (JsonNode?)JsonValue.Create(pair.Value)))),
        };
        File.WriteAllText(Path.Combine(folder.Path, "model.safetensors.index.json"), settings.ToJsonString());
    }
}
