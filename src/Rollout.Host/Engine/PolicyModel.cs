using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using TorchSharp;

namespace Rollout.Host.Engine;

/// <summary>The model of a process: one set of weights, shared by its decoder and its trainer.</summary>
public static class PolicyModel
{
    /// <summary>Loads libtorch, and sets how many threads it uses.</summary>
    /// <exception cref="ConfigurationException">The device is one that this build does not decode on.</exception>
    public static void PrepareDevice(ConfigTree tree, RolloutSettings settings)
    {
        RequireSupported(tree, settings);
        LibTorch.Load();
        torch.set_num_threads(Threads(settings));
    }

    /// <summary>Refuses a device or a type that this version does not compute with; loads nothing.</summary>
    /// <exception cref="ConfigurationException">It is one of those.</exception>
    public static void RequireSupported(ConfigTree tree, RolloutSettings settings)
    {
        if (settings.Device != "cpu")
            throw tree.Rollout.Invalid("device", "cpu, which is all that this version runs on");
        if (settings.Dtype != WeightType.Float32)
            throw tree.Rollout.Invalid("dtype", "float32, in which the CPU computes");
    }

    /// <summary>Threads of one operation.</summary>
    public static int Threads(RolloutSettings settings) =>
        settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads;

    /// <summary>The initial policy as the configuration names it: a checkpoint, or random weights of the run's seed.</summary>
    /// <exception cref="CheckpointException">The folder holds no model that can be loaded.</exception>
    public static CausalLm LoadInitial(RolloutSettings settings) => settings.Model.Weights == WeightSource.Random
        ? Random(ModelConfig.Load(settings.Model.Path), settings.Seed)
        : HuggingFaceModel.Load(settings.Model.Path, torch.ScalarType.Float32, torch.CPU);

    /// <summary>A model of this shape with random weights.</summary>
    public static CausalLm Random(ModelConfig shape, ulong seed)
    {
        var model = new CausalLm(shape, torch.ScalarType.Float32, torch.CPU);
        model.InitializeRandom(seed);
        return model;
    }

    /// <summary>What a decoder of this process runs; called on the decoder's thread.</summary>
    /// <exception cref="DeviceFaultException">The memory of the KV pool is not there.</exception>
    public static ModelRunner CreateRunner(RolloutSettings settings, PolicyWeights weights, KvPool pool)
    {
        var threads = Threads(settings);
        return new ModelRunner(
            weights,
            pool.Create(threads),
            threads,
            settings.Decoder.BatchInvariant ? RowPadding.Measure() : RowPadding.None);
    }

    /// <summary>Tokens of a sequence at most: the model's, or what the configuration limits it to.</summary>
    public static int MaxModelLength(RolloutSettings settings, ModelConfig model) =>
        settings.Decoder.MaxModelLen == 0
            ? model.MaxPositionEmbeddings
            : Math.Min(settings.Decoder.MaxModelLen, model.MaxPositionEmbeddings);
}
