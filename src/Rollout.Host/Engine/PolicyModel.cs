using Rollout.Actors.Settings;
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
        if (settings.Device != "cpu")
            throw tree.Rollout.Invalid("device", "cpu, which is all that this version runs on");
        if (settings.Dtype != WeightType.Float32)
            throw tree.Rollout.Invalid("dtype", "float32, in which the CPU computes");
        LibTorch.Load();
        torch.set_num_threads(Threads(settings));
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

    /// <summary>Tokens of a sequence at most: the model's, or what the configuration limits it to.</summary>
    public static int MaxModelLength(RolloutSettings settings, ModelConfig model) =>
        settings.Decoder.MaxModelLen == 0
            ? model.MaxPositionEmbeddings
            : Math.Min(settings.Decoder.MaxModelLen, model.MaxPositionEmbeddings);
}
