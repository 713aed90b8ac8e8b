using System.Globalization;
using System.Runtime.InteropServices;
using Rollout.Actors.Settings;
using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using TorchSharp;

namespace Rollout.Host.Engine;

/// <summary>Creates the model of a process, whose weights its decoder and its trainer share, and what runs it.</summary>
public static class PolicyModel
{
    /// <summary>Loads libtorch and sets its number of threads.</summary>
    /// <param name="tree">The configuration, for messages.</param>
    /// <param name="settings">The device and the type.</param>
    /// <param name="section">The section of the key that names the device; null for rollout itself.</param>
    /// <param name="key">The key that names the device.</param>
    /// <exception cref="ConfigurationException">There is no such device, or it does not compute in the configured type.</exception>
    /// <exception cref="DeviceException">libtorch, or a library that it needs for a GPU, is missing.</exception>
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

    /// <summary>Checks the configured type without loading anything.</summary>
    /// <exception cref="ConfigurationException">The device does not compute in the type.</exception>
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

    /// <summary>Measures the device's memory; null on a CPU.</summary>
    public static IDeviceMemory? Memory(RolloutSettings settings) =>
        IsCuda(settings) ? ModelRunners.OpenGpuMemory(Ordinal(settings)) : null;

    /// <summary>The number of threads that compute one operation.</summary>
    public static int Threads(RolloutSettings settings) =>
        settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads;

    /// <summary>
    /// Creates the configured initial policy: a checkpoint, or random weights of the run's seed, with its adapter, or with
    /// a new one that changes nothing yet.
    /// </summary>
    /// <exception cref="CheckpointException">A folder holds no model or adapter that can be loaded.</exception>
    /// <exception cref="DeviceFaultException">The device has too little memory for the weights.</exception>
    public static CausalLm LoadInitial(RolloutSettings settings) => WithAdapter(LoadBase(settings), settings);

    /// <summary>Gives a base the configured adapter, if there is one. Disposes of the base where that fails.</summary>
    /// <exception cref="CheckpointException">The folder holds no adapter that can be loaded.</exception>
    public static CausalLm WithAdapter(CausalLm model, RolloutSettings settings)
    {
        try
        {
            if (settings.Model.Adapter.Length > 0)
            {
                HuggingFaceModel.Verify(settings.Model.Adapter);
                PeftAdapter.Apply(model, settings.Model.Adapter, settings.Seed);
            }
            else if (settings.Lora.IsOn)
                PeftAdapter.Create(model, settings.Lora, settings.Model.Path, settings.Seed);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Loads the policy of a run's checkpoint: the weights, or the adapter of the configured model.</summary>
    /// <exception cref="CheckpointException">The folder holds no model or adapter that can be loaded.</exception>
    public static CausalLm LoadTrained(string checkpoint, RolloutSettings settings) => settings.TrainsAdapter
        ? LoadInitial(settings with { Model = settings.Model with { Adapter = checkpoint } })
        : Load(checkpoint, settings);

    private static CausalLm LoadBase(RolloutSettings settings)
    {
        if (settings.Model.Weights == WeightSource.Random)
            return Random(ModelConfigReader.ReadFolder(settings.Model.Path), settings);
        HuggingFaceModel.Verify(settings.Model.Path);
        return Load(settings.Model.Path, settings);
    }

    /// <summary>Loads a checkpoint in the configured type, onto the configured device.</summary>
    /// <exception cref="CheckpointException">The folder holds no model that can be loaded.</exception>
    public static CausalLm Load(string folder, RolloutSettings settings) =>
        Fitting(settings, () => HuggingFaceModel.Load(folder, Dtype(settings), Device(settings)));

    /// <summary>Creates a model of a shape with random weights of the run's seed.</summary>
    /// <exception cref="CheckpointException">The machine has too little memory for it.</exception>
    public static CausalLm Random(ModelConfig shape, RolloutSettings settings) => Fitting(settings, () =>
    {
        if (!IsCuda(settings))
            HuggingFaceModel.RequireMemory(shape, Dtype(settings), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        var model = new CausalLm(shape, Dtype(settings), Device(settings));
        model.InitializeRandom(settings.Seed);
        return model;
    });

    /// <summary>Creates the runner of a decoder. Called on the decoder's thread.</summary>
    /// <param name="settings">The configuration.</param>
    /// <param name="weights">The policy.</param>
    /// <param name="pool">The decoder's KV pool.</param>
    /// <param name="besideTrainer">This process also trains on the device.</param>
    /// <exception cref="DeviceFaultException">The device has too little memory for the KV pool.</exception>
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

    /// <summary>The longest sequence in tokens: the model's, or a lower limit of the configuration.</summary>
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
