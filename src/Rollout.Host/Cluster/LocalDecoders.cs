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

/// <summary>The decoders of a host, one a device, each with weights and a pool of its own.</summary>
internal sealed class LocalDecoders : IDisposable
{
    private readonly List<Device> _devices = [];
    private readonly HuggingFaceTokenizer? _tokenizer;
    private WeightReceiver? _receiver;

    private LocalDecoders(HuggingFaceTokenizer? tokenizer) => _tokenizer = tokenizer;

    /// <summary>Reads the model once a device, and checks that a sequence fits.</summary>
    /// <exception cref="ConfigurationException">A device or a pool can't be used.</exception>
    /// <exception cref="CheckpointException">The model can't be loaded.</exception>
    public static LocalDecoders Load(ConfigTree tree, RolloutSettings settings)
    {
        if (!Directory.Exists(settings.Model.Path))
            throw tree.Rollout.Section("model").Invalid("path", "the folder of a model");
        var tokenizer = File.Exists(Path.Combine(settings.Model.Path, "tokenizer.json"))
            ? HuggingFaceTokenizer.Load(settings.Model.Path)
            : null;
        PolicyModel.PrepareDevice(tree, settings);
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

    /// <summary>Starts them: what a trainer offers is fetched once for all.</summary>
    public void AddTo(RolloutTopology topology)
    {
        var (first, model, _) = _devices[0];
        var receiver = _receiver = WeightLinks.CreateReceiver(first, model.Model, topology.Certificates);
        foreach (var (settings, weights, pool) in _devices)
        {
            topology.AddDecoder(
                settings.Device,
                () => PolicyModel.CreateRunner(settings, weights, pool),
                PolicyModel.MaxModelLength(settings, weights.Model.Config),
                new PolicySource.Fetched(new DeviceIntake(receiver, weights)),
                _tokenizer);
        }
    }

    public void Dispose()
    {
        _receiver?.Dispose();
        foreach (var (_, weights, _) in _devices)
            weights.Dispose();
    }

    /// <summary>A pool that can't hold one sequence of the longest length would refuse work that others take.</summary>
    /// <exception cref="ConfigurationException">It can't.</exception>
    public static void RequireRoomForOne(ConfigTree tree, RolloutSettings settings, KvPool pool, int maxModelLength)
    {
        // A GPU's is sized when the decoder is there, which then refuses what can never run.
        if (pool.Geometry is not { } geometry)
            return;
        var needed = geometry.BlocksFor(maxModelLength);
        if (needed > geometry.BlockCount)
        {
            throw tree.Rollout.Section("blocks").Invalid(
                settings.Blocks.Count > 0 ? "count" : "memory",
                $"room for one sequence of decoder.max-model-len, {maxModelLength} tokens or {needed} blocks, and the"
                + $" pool has {geometry.BlockCount}");
        }
    }

    private void Add(ConfigTree tree, RolloutSettings settings)
    {
        var weights = new PolicyWeights(PolicyModel.LoadInitial(settings), new PolicyVersion(0));
        var pool = new KvPool(tree, settings, weights.Model.Config);
        _devices.Add(new Device(settings, weights, pool));
        RequireRoomForOne(tree, settings, pool, PolicyModel.MaxModelLength(settings, weights.Model.Config));
    }

    private static IEnumerable<string> DevicesOf(RolloutSettings settings) => settings switch
    {
        { Cluster.Devices: { Count: > 0 } devices } => devices,
        { Device: "cuda" } => Enumerable.Range(0, torch.cuda.device_count()).Select(i => $"cuda:{i}"),
        _ => [settings.Device],
    };

    private sealed record Device(RolloutSettings Settings, PolicyWeights Weights, KvPool Pool);
}
