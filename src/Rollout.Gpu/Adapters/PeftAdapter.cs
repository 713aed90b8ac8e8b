using System.Security.Cryptography;
using System.Text;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Adapters;

/// <summary>
/// LoRA adapters in PEFT's layout: a folder with adapter_config.json and adapter_model.safetensors, whose tensors are
/// base_model.model.MODULE.lora_A.weight [rank, inputs] and lora_B.weight [outputs, rank].
/// </summary>
public static class PeftAdapter
{
    /// <summary>The file of the matrices.</summary>
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>
    /// Gives the model's projections the adapters of a folder, in the model's type and on its device. Configuration and
    /// tensors must name the same modules. Everything is checked before the model changes.
    /// </summary>
    /// <param name="model">A model without an adapter.</param>
    /// <param name="folder">A folder that PEFT's save_pretrained wrote, or <see cref="WriteInto"/>.</param>
    /// <param name="seed">Of the dropout in training.</param>
    /// <exception cref="CheckpointException">
    /// The folder holds no adapter, one that is not supported, or one of another model; says which file, key or tensor.
    /// </exception>
    public static void Apply(CausalLm model, string folder, ulong seed = 0)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException($"{folder} is not a folder; expected an adapter with {PeftConfig.FileName}.");
        var config = PeftConfig.Read(folder);
        using var file = SafetensorsFile.Open(Path.Combine(folder, WeightsName));
        var targets = AdapterTarget.Of(model, config);
        RefuseOthers(file, targets);
        Attach(model, config, seed, targets, target => Read(file, target, model.Dtype, model.Device));
    }

    /// <summary>
    /// Writes a model with an adapter's sums added to its weights, for programs that know no adapters. The sums are
    /// computed in float32 and rounded once, to the type of the model's files.
    /// </summary>
    /// <param name="model">The base: a Hugging Face folder.</param>
    /// <param name="adapter">The adapter's folder.</param>
    /// <param name="folder">Must not exist yet; complete or not there at all.</param>
    /// <exception cref="CheckpointException">One of the folders can't be loaded, or the new one exists.</exception>
    public static void WriteMerged(string model, string adapter, string folder)
    {
        ScalarType dtype;
        using (var checkpoint = SafetensorsCheckpoint.Open(model))
            dtype = checkpoint.Find(checkpoint.Names.First())!.Value.Entry.Dtype;
        using var merged = HuggingFaceModel.Load(model, dtype, CPU);
        MergeInto(merged, adapter);
        HuggingFaceModel.Save(merged, folder, model);
    }

    /// <summary>Adds s · B A of a folder's adapter to the model's weights.</summary>
    private static void MergeInto(CausalLm model, string folder)
    {
        using var noGrad = no_grad();
        var config = PeftConfig.Read(folder);
        using var file = SafetensorsFile.Open(Path.Combine(folder, WeightsName));
        var targets = AdapterTarget.Of(model, config);
        RefuseOthers(file, targets);
        foreach (var target in targets.Where(target => target.Rank > 0))
        {
            using var scope = NewDisposeScope();
            using var scale = target.Scale.ToScalar();
            var (a, b) = Read(file, target, ScalarType.Float32, model.Device);
            var weight = target.Weight.View();
            weight.copy_(weight.to_type(ScalarType.Float32).add(b.mm(a), scale));
        }
    }

    /// <summary>
    /// Gives the model a new adapter, initialised as PEFT does: B is 0, and A is drawn from U(−1/√inputs, 1/√inputs)
    /// (torch's kaiming_uniform_ with a = √5). It changes no bit of what the model computes until it learns.
    /// </summary>
    /// <param name="model">A model without an adapter.</param>
    /// <param name="options">Targets, rank and scale.</param>
    /// <param name="baseModel">The folder or the name of the model, for whoever loads the adapter.</param>
    /// <param name="seed">Of A, and of the dropout in training.</param>
    /// <exception cref="CheckpointException">The options select what can't have an adapter, or nothing.</exception>
    public static void Create(CausalLm model, LoraOptions options, string baseModel, ulong seed)
    {
        var config = PeftConfig.Of(options, baseModel);
        Attach(model, config, seed, AdapterTarget.Of(model, config), target => (
            Uniform(target, model, seed), zeros(target.Outputs, target.Rank, model.Dtype, model.Device)));
    }

    /// <summary>Writes the model's adapter as PEFT does, into an existing folder that the caller publishes as a whole.</summary>
    /// <param name="model">A model with an adapter.</param>
    /// <param name="folder">Where it goes.</param>
    /// <param name="source">A model folder whose tokenizer is copied along; null copies none.</param>
    internal static void WriteInto(CausalLm model, string folder, string? source)
    {
        if (source is not null)
            HuggingFaceModel.CopyCompanions(source, folder);
        using var scope = NewDisposeScope();
        DurableFiles.Write(
            Path.Combine(folder, PeftConfig.FileName), file => file.Write(Encoding.UTF8.GetBytes(model.Adapter!.Configuration)));
        SafetensorsWriter.Write(Path.Combine(folder, WeightsName), [.. model.LearntTensors()]);
    }

    /// <summary>The float32 values of a folder's adapter, as <see cref="ModelAdapter.Leaves"/> has them.</summary>
    /// <exception cref="CheckpointException">It is not the model's adapter.</exception>
    internal static IReadOnlyList<Tensor> ReadLeaves(CausalLm model, string folder)
    {
        var leaves = new List<Tensor>();
        var values = new List<Tensor>();
        foreach (var adapter in model.Projections().Select(projection => projection.Adapter).OfType<LoraAdapter>())
        {
            var shrink = empty(adapter.Shrink.shape, ScalarType.Float32);
            leaves.Add(shrink);
            var firstRank = 0L;
            foreach (var part in adapter.Parts)
            {
                values.Add(shrink.narrow(0, firstRank, part.Rank));
                values.Add(empty(part.B.shape, ScalarType.Float32));
                leaves.Add(values[^1]);
                firstRank += part.Rank;
            }
        }

        using var file = SafetensorsFile.Open(Path.Combine(folder, WeightsName));
        foreach (var ((name, _), value) in model.Adapter!.Tensors.Zip(values))
            file.CopyTo(Matching(file, name, value.shape), value);
        return leaves;
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

    private static void Attach(
        CausalLm model, PeftConfig config, ulong seed, IReadOnlyList<AdapterTarget> targets,
        Func<AdapterTarget, (Tensor A, Tensor B)> matricesOf)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var modules = targets.Where(target => target.Rank > 0).Select(target =>
        {
            var (a, b) = matricesOf(target);
            return new AdaptedModule(
                target.Module, target.Projection, new LoraPart(target.Weight.FirstRow, a, b, target.Scale));
        }).ToArray();
        model.Adapter = new ModelAdapter(model, config.Json, new LoraDropout(config.Dropout, seed), modules);
    }

    /// <summary>[rank, inputs].</summary>
    private static Tensor Uniform(AdapterTarget target, CausalLm model, ulong seed)
    {
        var name = ModelAdapter.NameOf(target.Module, 'A');
        using Scalar half = (-0.5).ToScalar(), width = (2 / Math.Sqrt(target.Inputs)).ToScalar();
        return CounterRandom
            .Uniform(CounterRandom.Key(seed, name), 0, target.Rank * target.Inputs, model.Device)
            .add_(half, Scalars.One).mul_(width).view(target.Rank, target.Inputs).to_type(model.Dtype);
    }

    private static void RefuseOthers(SafetensorsFile file, IReadOnlyList<AdapterTarget> targets)
    {
        var known = targets
            .SelectMany(target => "AB".Select(matrix => ModelAdapter.NameOf(target.Module, matrix)))
            .ToHashSet();
        if (file.Entries.FirstOrDefault(entry => !known.Contains(entry.Name)) is { } other)
        {
            throw new CheckpointException(
                $"{file.Path}: tensor {other.Name} belongs to no projection of the model that {PeftConfig.FileName} selects.");
        }
    }

    private static (Tensor A, Tensor B) Read(SafetensorsFile file, AdapterTarget target, ScalarType dtype, Device device) => (
        Read(file, ModelAdapter.NameOf(target.Module, 'A'), [target.Rank, target.Inputs], dtype, device),
        Read(file, ModelAdapter.NameOf(target.Module, 'B'), [target.Outputs, target.Rank], dtype, device));

    private static Tensor Read(SafetensorsFile file, string name, long[] shape, ScalarType dtype, Device device)
    {
        var values = empty(shape, dtype, device);
        file.CopyTo(Matching(file, name, shape), values);
        return FiniteCheck.FirstBroken([(name, values)]) is null
            ? values
            : throw new CheckpointException($"{file.Path}: tensor {name} holds a number that is not finite.");
    }

    private static SafetensorsEntry Matching(SafetensorsFile file, string name, long[] shape)
    {
        var entry = file.Find(name) ?? throw new CheckpointException($"{file.Path} has no tensor {name}.");
        if (!entry.Shape.SequenceEqual(shape))
        {
            throw new CheckpointException(
                $"{file.Path}: tensor {name} should be {SafetensorsEntry.Shown(shape)} by {PeftConfig.FileName} and the "
                + $"model's config.json, and is {SafetensorsEntry.Shown(entry.Shape)}.");
        }

        return entry.Dtype is ScalarType.Float64 or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16
            ? entry
            : throw new CheckpointException(
                $"{file.Path}: tensor {name} should be floating point, and is {SafetensorsHeader.NameOf(entry.Dtype)}.");
    }
}
