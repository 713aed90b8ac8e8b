using System.Text.Json;
using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Execution;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Adapters;

/// <summary>What is wrong with an adapter, or not supported, is said in one sentence, and the model stays as it is.</summary>
public sealed class PeftRefusalTests : IDisposable
{
    private readonly AdapterFolder _adapter = new();
    private readonly PolicyWeights _weights = TinyPolicy.Create(seed: 5);

    [Theory]
    [InlineData("peft_type", "\"IA3\"", "peft_type should be LORA, and is IA3")]
    [InlineData("task_type", "\"SEQ_CLS\"", "task_type should be CAUSAL_LM, and is SEQ_CLS")]
    [InlineData("bias", "\"all\"", "bias should be none, and is all")]
    [InlineData("use_dora", "true", "use_dora is set, and is not supported")]
    [InlineData("fan_in_fan_out", "true", "fan_in_fan_out is set")]
    [InlineData("modules_to_save", """["lm_head"]""", "modules_to_save is set")]
    [InlineData("layer_replication", "[[0,1]]", "layer_replication is set")]
    [InlineData("a_key_of_tomorrow", "1", "a_key_of_tomorrow is set")]
    [InlineData("init_lora_weights", "\"pissa\"", "init_lora_weights is pissa, which changes the base weights")]
    [InlineData("r", "-1", "r should be a whole number of at least 0, and is -1")]
    [InlineData("r", "null", "r is missing")]
    [InlineData("lora_alpha", "null", "lora_alpha is missing")]
    [InlineData("lora_alpha", "\"16\"", "lora_alpha should be a number above 0")]
    [InlineData("target_modules", "null", "target_modules is missing")]
    [InlineData("target_modules", "7", "target_modules should be a list of strings, and is 7")]
    [InlineData("target_modules", "\"(q_proj\"", "target_modules should be a regular expression")]
    [InlineData("target_modules", """["c_attn"]""", "target_modules selects no projection of this qwen3 model")]
    [InlineData("target_modules", """["embed_tokens"]""", "target_modules selects model.embed_tokens, and only projections")]
    [InlineData("target_modules", """["q_proj"]""", "layers.0.self_attn.v_proj.lora_A.weight belongs to no projection")]
    [InlineData("target_modules", """["q_proj","v_proj","o_proj"]""", "has no tensor base_model.model.model.layers.0.self_attn.o_proj.lora_A")]
    [InlineData("r", "4", "lora_A.weight should be [4, 24] by adapter_config.json")]
    [InlineData("layers_pattern", "\"h\"", "layers_pattern should be layers")]
    [InlineData("rank_pattern", """{"(":3}""", "rank_pattern: ( should be a regular expression")]
    public void A_configuration_that_is_wrong_or_not_supported_is_refused(string key, string value, string expected)
    {
        Write();
        _adapter.Config[key] = JsonDocument.Parse(value).RootElement;
        _adapter.WriteConfig();

        AssertRefused(expected);
    }

    [Fact]
    public void A_slow_regular_expression_is_refused()
    {
        Write();
        _adapter.Config["target_modules"] = "(([a-z0-9_.])+)+!";
        _adapter.WriteConfig();

        AssertRefused("target_modules is a regular expression that takes too long");
    }

    [Fact]
    public void A_tensor_that_is_not_finite_is_refused()
    {
        Write();
        Rewrite(tensors => tensors[0].Values.fill_(float.NaN));

        AssertRefused("lora_A.weight holds a number that is not finite");
    }

    [Fact]
    public void A_folder_without_an_adapter_is_refused()
    {
        AssertRefused("adapter_config.json is not there");
        _adapter.WriteConfig();
        AssertRefused("adapter_model.safetensors is not there");
    }

    public void Dispose()
    {
        _weights.Dispose();
        _adapter.Dispose();
    }

    private void Write() => _adapter.Write(
        _weights.Model, module => module.EndsWith("q_proj", StringComparison.Ordinal)
            || module.EndsWith("v_proj", StringComparison.Ordinal) ? 3 : null, seed: 1);

    private void Rewrite(Action<(string Name, Tensor Values)[]> change)
    {
        using var scope = NewDisposeScope();
        (string, Tensor)[] tensors;
        using (var file = SafetensorsFile.Open(_adapter.WeightsPath))
            tensors = [.. file.Entries.Select(entry => (entry.Name, file.Read(entry.Name)))];
        change(tensors);
        SafetensorsWriter.Write(_adapter.WeightsPath, tensors);
    }

    private void AssertRefused(string expected)
    {
        var refusal = Assert.Throws<CheckpointException>(() => PeftAdapter.Apply(_weights.Model, _adapter.Path));
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
        Assert.Contains(_adapter.Path, refusal.Message, StringComparison.Ordinal);
        Assert.All(_weights.Model.Stack.Layers, layer => Assert.Null(layer.Attention.QkvProj.Adapter));
    }
}
