using System.Globalization;
using System.Runtime.InteropServices;
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
    /// <param name="tree">Where the device is named.</param>
    /// <param name="settings">The device and the type.</param>
    /// <param name="section">Of the key that names the device; null for rollout itself.</param>
    /// <param name="key">That key.</param>
    /// <exception cref="ConfigurationException">The device cannot compute in the type that is asked for.</exception>
    /// <exception cref="DeviceException">libtorch, or what it needs for a GPU, is not there.</exception>
    public static void PrepareDevice(
        ConfigTree tree, RolloutSettings settings, ConfigSection? section = null, string key = "device")
    {
        RequireSupported(tree, settings);
        LibTorch.Load(cuda: IsCuda(settings));
        var ordinal = Ordinal(settings);
        if (IsCuda(settings) && ordinal >= torch.cuda.device_count())
        {
            throw (section ?? tree.Rollout).Invalid(
                key, $"one of the {torch.cuda.device_count()} GPUs that libtorch sees, from cuda:0");
        }
        torch.set_num_threads(Threads(settings));
    }

    /// <summary>Refuses a type that the device does not compute in; loads nothing.</summary>
    /// <exception cref="ConfigurationException">It is one of those.</exception>
    public static void RequireSupported(ConfigTree tree, RolloutSettings settings)
    {
        if (settings.Dtype != WeightType.Float32 && !IsCuda(settings))
            throw tree.Rollout.Invalid("dtype", "float32, in which the CPU computes");
    }

    public static bool IsCuda(RolloutSettings settings) => settings.Device != "cpu";

    /// <summary>The GPU's number, from 0.</summary>
    public static int Ordinal(RolloutSettings settings) =>
        settings.Device.Split(':') is [_, var number] ? int.Parse(number, CultureInfo.InvariantCulture) : 0;

    public static torch.ScalarType Dtype(RolloutSettings settings) =>
        settings.Dtype == WeightType.Bfloat16 ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;

    public static torch.Device Device(RolloutSettings settings) =>
        IsCuda(settings) ? torch.device(DeviceType.CUDA, Ordinal(settings)) : torch.CPU;

    /// <summary>Tells how the device's memory is used; null on a CPU.</summary>
    public static IDeviceMemory? Memory(RolloutSettings settings) =>
        IsCuda(settings) ? ModelRunners.OpenGpuMemory(Ordinal(settings)) : null;

    /// <summary>Threads of one operation.</summary>
    public static int Threads(RolloutSettings settings) =>
        settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads;

    /// <summary>The initial policy as the configuration names it: a checkpoint, or random weights of the run's seed.</summary>
    /// <exception cref="CheckpointException">The folder holds no model that can be loaded.</exception>
    /// <exception cref="DeviceFaultException">The device has too little memory for it.</exception>
    public static CausalLm LoadInitial(RolloutSettings settings)
    {
        if (settings.Model.Weights == WeightSource.Random)
            return Random(ModelConfigReader.ReadFolder(settings.Model.Path), settings);
        CheckpointManifest.VerifyModel(settings.Model.Path);
        return Load(settings.Model.Path, settings);
    }

    /// <summary>A checkpoint's model, in the type and on the device that are configured.</summary>
    /// <exception cref="CheckpointException">The folder holds no model that can be loaded.</exception>
    public static CausalLm Load(string folder, RolloutSettings settings) =>
        Fitting(settings, () => HuggingFaceModel.Load(folder, Dtype(settings), Device(settings)));

    /// <summary>A model of this shape with random weights of the run's seed.</summary>
    /// <exception cref="CheckpointException">The machine has too little memory for it.</exception>
    public static CausalLm Random(ModelConfig shape, RolloutSettings settings) => Fitting(settings, () =>
    {
        if (!IsCuda(settings))
            HuggingFaceModel.RequireMemory(shape, Dtype(settings), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        var model = new CausalLm(shape, Dtype(settings), Device(settings));
        model.InitializeRandom(settings.Seed);
        return model;
    });

    /// <summary>What a decoder of this process runs; called on the decoder's thread.</summary>
    /// <param name="settings">The configuration.</param>
    /// <param name="weights">The policy.</param>
    /// <param name="pool">Its KV pool.</param>
    /// <param name="besideTrainer">This process also trains on the device.</param>
    /// <exception cref="DeviceFaultException">The memory of the KV pool is not there.</exception>
    public static IModelRunner CreateRunner(
        RolloutSettings settings, PolicyWeights weights, KvPool pool, bool besideTrainer = false)
    {
        if (IsCuda(settings) && settings.Engine == CacheEngine.Paged)
        {
            var options = CudaOptions(settings, weights.Model.Config) with { SharesDevice = besideTrainer };
            return ModelRunners.CreateForGpu(weights, options);
        }
        var batchInvariant = settings.Decoder.BatchInvariant && !IsCuda(settings);
        return settings.Engine == CacheEngine.Paged
            ? ModelRunners.CreatePaged(weights, pool.Geometry!, Threads(settings), batchInvariant)
            : ModelRunners.CreateContiguous(weights, pool.Geometry!, Threads(settings), batchInvariant);
    }

    /// <summary>Tokens of a sequence at most: the model's, or what the configuration limits it to.</summary>
    public static int MaxModelLength(RolloutSettings settings, ModelConfig model) =>
        settings.Decoder.MaxModelLen == 0
            ? model.MaxPositionEmbeddings
            : Math.Min(settings.Decoder.MaxModelLen, model.MaxPositionEmbeddings);

    private static CausalLm Fitting(RolloutSettings settings, Func<CausalLm> build)
    {
        try
        {
            return build();
        }
        catch (ExternalException cause) when (cause.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase))
        {
            throw new DeviceFaultException($"{settings.Device} has too little free memory for the model's weights.", cause);
        }
    }

    private static CudaRunnerOptions CudaOptions(RolloutSettings settings, ModelConfig model) => new()
    {
        Ordinal = Ordinal(settings),
        BlockSize = settings.Blocks.BlockSize,
        BlockCount = settings.Blocks.Count,
        MemoryUtilization = settings.Blocks.GpuMemoryUtilization,
        MaxNumSeqs = settings.Decoder.MaxNumSeqs,
        MaxNumBatchedTokens = settings.Decoder.MaxNumBatchedTokens,
        MaxModelLength = MaxModelLength(settings, model),
        UsesGraphs = settings.Decoder.CudaGraphs,
    };
}
