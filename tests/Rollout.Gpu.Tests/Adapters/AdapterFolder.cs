using System.Text.Json;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Adapters;

/// <summary>A random adapter in PEFT's layout, for tests to apply and to damage.</summary>
internal sealed class AdapterFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public string Path => _folder.Path;

    public string WeightsPath => _folder.At("adapter_model.safetensors");

    /// <summary>The configuration; <see cref="WriteConfig"/> writes it.</summary>
    public Dictionary<string, object?> Config { get; } = new()
    {
        ["peft_type"] = "LORA",
        ["task_type"] = "CAUSAL_LM",
        ["base_model_name_or_path"] = "base",
        ["bias"] = "none",
        ["r"] = 3,
        ["lora_alpha"] = 6,
        ["lora_dropout"] = 0.05,
        ["target_modules"] = new[] { "q_proj", "v_proj" },
        ["modules_to_save"] = null,
        ["use_dora"] = false,
        ["rank_pattern"] = new Dictionary<string, int>(),
    };

    public void WriteConfig() =>
        File.WriteAllText(_folder.At("adapter_config.json"), JsonSerializer.Serialize(Config));

    /// <summary>Writes random A and B, and the configuration.</summary>
    /// <param name="model">The adapter's model.</param>
    /// <param name="rankOf">The rank of a module; null where it has no adapter.</param>
    /// <param name="seed">Of the values.</param>
    /// <param name="isZero">Makes every B zero, as PEFT's initialisation does.</param>
    public void Write(CausalLm model, Func<string, int?> rankOf, int seed, bool isZero = false)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed);
        var tensors = new List<(string, Tensor)>();
        foreach (var weight in model.CheckpointTensors().Where(weight => weight.Kind == WeightKind.Matrix))
        {
            var module = weight.Name[..^".weight".Length];
            if (rankOf(module) is not { } rank)
                continue;
            var b = randn([weight.Shape[0], rank], generator: generator).mul_(0.2);
            tensors.Add(($"base_model.model.{module}.lora_A.weight", randn([rank, weight.Shape[1]], generator: generator)));
            tensors.Add(($"base_model.model.{module}.lora_B.weight", isZero ? b.zero_() : b));
        }

        SafetensorsWriter.Write(WeightsPath, tensors);
        WriteConfig();
    }

    /// <summary>Adds s B A to the weights of a model, which then computes as with the adapter.</summary>
    public void MergeInto(CausalLm model, Func<string, double> scaleOf)
    {
        using var untracked = no_grad();
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(WeightsPath);
        foreach (var weight in model.CheckpointTensors().Where(weight => weight.Kind == WeightKind.Matrix))
        {
            var module = weight.Name[..^".weight".Length];
            var prefix = $"base_model.model.{module}";
            if (file.Find($"{prefix}.lora_A.weight") is null)
                continue;
            var update = file.Read($"{prefix}.lora_B.weight").mm(file.Read($"{prefix}.lora_A.weight"));
            weight.View().add_(update.mul_(scaleOf(module)));
        }
    }

    public void Dispose() => _folder.Dispose();
}
