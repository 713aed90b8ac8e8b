using Rollout.Actors.Decoding;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;
using Rollout.Gpu.Weights.Transfer;
using Rollout.Host.Engine;
using TorchSharp;

namespace Rollout.Host.Cluster;

/// <summary>The decoders of a host: one for each device, with weights and a KV pool of its own.</summary>
internal sealed class LocalDecoders : IDisposable
{
    private readonly List<Device> _devices = [];
    private readonly HuggingFaceTokenizer? _tokenizer;
    private WeightReceiver? _receiver;

    private LocalDecoders(HuggingFaceTokenizer? tokenizer) => _tokenizer = tokenizer;

    /// <summary>Loads the model onto each device, and checks that the pools hold the longest sequence.</summary>
    /// <exception cref="ConfigurationException">A device or a pool can't be used.</exception>
    /// <exception cref="CheckpointException">The model can't be loaded.</exception>
    public static LocalDecoders Load(ConfigTree tree, RolloutSettings settings)
    {
        if (!Directory.Exists(settings.Model.Path))
            throw tree.Rollout.Section("model").Invalid("path", "the folder of a model");
        var tokenizer = File.Exists(Path.Combine(settings.Model.Path, "tokenizer.json"))
            ? HuggingFaceTokenizer.Load(settings.Model.Path)
            : null;
        if (settings.Cluster.Devices.Count == 0)
            PolicyModel.PrepareDevice(tree, settings);
        foreach (var device in settings.Cluster.Devices)
            PolicyModel.PrepareDevice(tree, settings with { Device = device }, tree.Rollout.Section("cluster"), "devices");
        var decoders = new LocalDecoders(tokenizer);
        try
        {
            foreach (var device in DevicesOf(settings))
                decoders.Add(tree, settings with { Device = device });
            return decoders;
        }
        catch
        {
            decoders.Dispose();
            throw;
        }
    }

    /// <summary>Starts the decoders. A policy that a trainer offers is downloaded once for all of them.</summary>
    public void AddTo(RolloutTopology topology)
    {
        var (first, model, _) = _devices[0];
        var receiver = _receiver = WeightLinks.CreateReceiver(first, model.Model, topology.Certificates);
        foreach (var device in _devices)
        {
            var maxModelLength = PolicyModel.MaxModelLength(device.Settings, device.Weights.Model.Config);
            topology.AddDecoder(
                device.Settings.Device,
                () => CreateRunner(device, maxModelLength),
                maxModelLength,
                new PolicySource.Fetched(new DeviceIntake(receiver, device.Weights)),
                _tokenizer,
                _devices.Count);
        }
    }

    public void Dispose()
    {
        _receiver?.Dispose();
        foreach (var (_, weights, _) in _devices)
            weights.Dispose();
    }

    private void Add(ConfigTree tree, RolloutSettings settings)
    {
        var weights = new PolicyWeights(PolicyModel.LoadInitial(settings), new PolicyVersion(0));
        var pool = new KvPool(tree, settings, weights.Model.Config);
        _devices.Add(new Device(settings, weights, pool));
        if (pool.Geometry is { } geometry
            && WhyTooSmall(geometry, PolicyModel.MaxModelLength(settings, weights.Model.Config)) is { } why)
        {
            throw tree.Rollout.Section("blocks").Invalid(settings.Blocks.Count > 0 ? "count" : "memory", why);
        }
    }

    /// <summary>Creates a runner, and checks the pool whose size the runner has measured on a GPU.</summary>
    private static IModelRunner CreateRunner(Device device, int maxModelLength)
    {
        var runner = PolicyModel.CreateRunner(device.Settings, device.Weights, device.Pool);
        if (WhyTooSmall(runner.Geometry, maxModelLength) is not { } why)
            return runner;
        runner.Dispose();
        throw new ConfigurationException($"rollout.blocks of {device.Settings.Device}: expected {why}");
    }

    /// <summary>
    /// Why the pool can't hold one sequence of the longest length; null where it can. A decoder with such a pool would refuse
    /// groups that other decoders accept.
    /// </summary>
    private static string? WhyTooSmall(KvCacheGeometry pool, int maxModelLength)
    {
        var needed = pool.BlocksFor(maxModelLength);
        return needed <= pool.BlockCount
            ? null
            : $"room for one sequence of decoder.max-model-len, {maxModelLength} tokens or {needed} blocks, and the pool"
                + $" has {pool.BlockCount}";
    }

    private static IEnumerable<string> DevicesOf(RolloutSettings settings) => settings switch
    {
        { Cluster.Devices: { Count: > 0 } devices } => devices,
        { Device: "cuda" } => Enumerable.Range(0, torch.cuda.device_count()).Select(i => $"cuda:{i}"),
        _ => [settings.Device],
    };

    private sealed record Device(RolloutSettings Settings, PolicyWeights Weights, KvPool Pool);
}
