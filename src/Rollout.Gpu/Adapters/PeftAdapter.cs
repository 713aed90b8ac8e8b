using System.Security.Cryptography;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Adapters;

/// <summary>
/// Reads LoRA adapters in PEFT's layout: a folder with adapter_config.json and adapter_model.safetensors, whose tensors
/// are base_model.model.MODULE.lora_A.weight [rank, inputs] and lora_B.weight [outputs, rank].
/// </summary>
public static class PeftAdapter
{
    private const string WeightsName = "adapter_model.safetensors";

    /// <summary>
    /// Gives the model's projections the adapters of a folder, in the model's type and on its device. Configuration and
    /// tensors must name the same modules. Everything is checked before the model changes.
    /// </summary>
    /// <param name="model">A model whose projections have no adapters.</param>
    /// <param name="folder">A folder that PEFT's save_pretrained wrote.</param>
    /// <exception cref="CheckpointException">
    /// The folder holds no adapter, one that is not supported, or one of another model; says which file, key or tensor.
    /// </exception>
    public static void Apply(CausalLm model, string folder)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException($"{folder} is not a folder; expected an adapter with {PeftConfig.FileName}.");
        var config = PeftConfig.Read(folder);
        using var file = SafetensorsFile.Open(Path.Combine(folder, WeightsName));
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var targets = TargetsOf(model, config);
        RefuseOthers(file, targets);
        var parts = targets
            .Where(target => target.Rank > 0)
            .Select(target => (target.Projection, Part: Read(file, target, model)))
            .ToArray();
        foreach (var group in parts.GroupBy(pair => pair.Projection, pair => pair.Part))
            group.Key.Adapter = new LoraAdapter([.. group]);
    }

    /// <summary>A hash of both files, which identifies an adapter.</summary>
    /// <exception cref="CheckpointException">A file is missing.</exception>
    public static byte[] Fingerprint(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var name in (string[])[PeftConfig.FileName, WeightsName])
        {
            var path = Path.Combine(folder, name);
            if (!File.Exists(path))
                throw new CheckpointException($"{path} is not there; expected an adapter as PEFT writes it.");
            using var stream = File.OpenRead(path);
            hash.AppendData(SHA256.HashData(stream));
        }

        return hash.GetHashAndReset();
    }

    private static Target[] TargetsOf(CausalLm model, PeftConfig config)
    {
        var projections = model.Projections().ToArray();
        var targets = new List<Target>();
        foreach (var weight in model.CheckpointTensors().Where(weight => weight.Kind == WeightKind.Matrix))
        {
            var module = weight.Name[..^".weight".Length];
            if (!config.Targets(module))
                continue;
            var projection = projections.FirstOrDefault(each => ReferenceEquals(each.Weight, weight.Storage))
                ?? throw config.Invalid("target_modules", $"selects {module}, and only projections can have an adapter");
            var (rank, scale) = config.SizeOf(module);
            targets.Add(new Target(module, weight, projection, rank, scale));
        }

        return targets.Count > 0
            ? [.. targets]
            : throw config.Invalid("target_modules", $"selects no projection of this {model.Config.ModelType} model");
    }

    private static void RefuseOthers(SafetensorsFile file, Target[] targets)
    {
        var known = targets.SelectMany(target => (string[])[target.A, target.B]).ToHashSet();
        if (file.Entries.FirstOrDefault(entry => !known.Contains(entry.Name)) is { } other)
        {
            throw new CheckpointException(
                $"{file.Path}: tensor {other.Name} belongs to no projection of the model that {PeftConfig.FileName} selects.");
        }
    }

    private static LoraPart Read(SafetensorsFile file, Target target, CausalLm model)
    {
        var shape = target.Weight.Shape;
        return new LoraPart(
            target.Weight.FirstRow,
            Read(file, target.A, [target.Rank, shape[1]], model),
            Read(file, target.B, [shape[0], target.Rank], model),
            target.Scale);
    }

    private static Tensor Read(SafetensorsFile file, string name, long[] shape, CausalLm model)
    {
        var entry = file.Find(name) ?? throw new CheckpointException($"{file.Path} has no tensor {name}.");
        if (!entry.Shape.SequenceEqual(shape))
        {
            throw new CheckpointException(
                $"{file.Path}: tensor {name} should be {SafetensorsEntry.Shown(shape)} by {PeftConfig.FileName} and the "
                + $"model's config.json, and is {SafetensorsEntry.Shown(entry.Shape)}.");
        }

        if (entry.Dtype is not (ScalarType.Float64 or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16))
        {
            throw new CheckpointException(
                $"{file.Path}: tensor {name} should be floating point, and is {SafetensorsHeader.NameOf(entry.Dtype)}.");
        }

        var values = empty(shape, model.Dtype, model.Device);
        file.CopyTo(entry, values);
        return FiniteCheck.FirstBroken([(name, values)]) is null
            ? values
            : throw new CheckpointException($"{file.Path}: tensor {name} holds a number that is not finite.");
    }

    /// <param name="Module">The projection's name in the checkpoint.</param>
    /// <param name="Weight">Its rows in the stacked projection.</param>
    /// <param name="Projection">The projection that has its rows.</param>
    /// <param name="Rank">The adapter's rank; 0 adds nothing.</param>
    /// <param name="Scale">The factor of the adapter's sum.</param>
    private sealed record Target(
        string Module, CheckpointTensor Weight, Projection Projection, int Rank, double Scale)
    {
        public string A => $"base_model.model.{Module}.lora_A.weight";

        public string B => $"base_model.model.{Module}.lora_B.weight";
    }
}
