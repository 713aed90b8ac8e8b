using Akka.Actor;
using Rollout.Actors.Client;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;
using Rollout.Host.Cluster;
using Rollout.Host.Engine;
using Rollout.Host.Generate;
using Rollout.Host.Invocation;

namespace Rollout.Host.Serve;

/// <summary>What samples for a server: a decoder of its own process, or those of a cluster.</summary>
internal sealed class ServeEngine : IAsyncDisposable
{
    private static readonly TimeSpan ReportTime = TimeSpan.FromSeconds(5);

    private readonly RolloutTopology _topology;
    private readonly ClusterModel? _cluster;
    private readonly PolicyWeights? _weights;

    private ServeEngine(RolloutTopology topology, ServedModel model, ClusterModel? cluster, PolicyWeights? weights) =>
        (_topology, Model, _cluster, _weights) = (topology, model, cluster, weights);

    public ServedModel Model { get; }

    /// <summary>Replaces the weights; null where they never change, or a trainer changes them.</summary>
    public PolicyClient? Policy { get; private init; }

    /// <summary>Loads the model onto the configured device and starts a decoder.</summary>
    /// <exception cref="ConfigurationException">The device or the pool can't be used.</exception>
    public static async Task<ServeEngine> LoadAsync(ConfigTree tree, RolloutSettings settings, CommandContext context)
    {
        PolicyModel.RequireSupported(tree, settings);
        if (settings.Serve.WeightsFolder.Length > 0)
            settings.Model.RequireNoAdapter(tree.Rollout.Section("model"));
        var files = ModelFiles.Read(settings.Model.Path);
        var pool = new KvPool(tree, settings, files.Config);
        PolicyModel.PrepareDevice(tree, settings);
        var longest = PolicyModel.MaxModelLength(settings, files.Config);
        if (pool.Geometry is { } geometry)
            longest = (int)Math.Min(longest, (long)geometry.BlockCount * geometry.BlockSize);
        var weights = new PolicyWeights(PolicyModel.LoadInitial(settings), new PolicyVersion(0));
        RolloutTopology? topology = null;
        try
        {
            topology = await RolloutTopology.StartAsync(
                settings, HostLog.Configuration(alone: true) + tree.RenderAkka(), stop: context.Stop.Token);
            var policy = settings.Serve.WeightsFolder.Length == 0
                ? null
                : topology.AddPolicyKeeper(weights.Version, new FolderWeights(weights, settings).LoadAsync);
            topology.AddDecoder(
                settings.Device,
                () => PolicyModel.CreateRunner(settings, weights, pool),
                longest,
                policy is null ? new PolicySource.Loaded() : new PolicySource.Shared(),
                files.Tokenizer);
            await RequireDecoderAsync(topology, context.Stop.Token);
            return new ServeEngine(topology, ModelOf(settings, files, longest), cluster: null, weights) { Policy = policy };
        }
        catch
        {
            if (topology is not null)
                await topology.DisposeAsync();
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Joins a cluster as a client.</summary>
    /// <exception cref="ConfigurationException">The cluster can't be joined, or has another model.</exception>
    public static async Task<ServeEngine> JoinAsync(ConfigTree tree, RolloutSettings settings, CommandContext context)
    {
        if (settings.Serve.WeightsFolder.Length > 0)
            throw tree.Rollout.Section("serve").Invalid("weights-folder", "\"\", as a cluster has its weights from its trainer");
        settings = settings with { Cluster = settings.Cluster with { Roles = [ClusterRoles.Client] } };
        var files = ModelFiles.Read(settings.Model.Path);
        var topology = await ClusterMembers.StartAsync(tree, settings, "", context, lines: null);
        try
        {
            var cluster = await ClusterMembers.RequireSameModelAsync(topology, settings, context);
            var model = ModelOf(settings, files, PolicyModel.MaxModelLength(settings, files.Config));
            return new ServeEngine(topology, model, cluster, weights: null);
        }
        catch
        {
            await topology.DisposeAsync();
            throw;
        }
    }

    /// <summary>Samples groups; see <see cref="RolloutClient.SampleAsync"/>.</summary>
    public IAsyncEnumerable<SampleNews> SampleAsync(IReadOnlyList<GroupRequest> groups, CancellationToken cancellation) =>
        _topology.Client.SampleAsync(groups, _cluster?.Weights, _cluster?.Fingerprint, cancellation);

    /// <summary>The scheduler's report; null if it does not answer in time.</summary>
    public async Task<SchedulerReport?> ReportAsync(CancellationToken cancellation)
    {
        try
        {
            return await _topology.Scheduler.Ask<SchedulerReport>(new QueryScheduler(), ReportTime, cancellation);
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }

    /// <summary>See <see cref="RolloutTopology.RunUntilAsync"/>.</summary>
    public Task<string?> RunUntilAsync(CancellationToken stop) => _topology.RunUntilAsync(stop);

    public async ValueTask DisposeAsync()
    {
        await _topology.DisposeAsync();
        _weights?.Dispose();
    }

    /// <summary>Waits for the decoder, as long as it may still come.</summary>
    private static async Task RequireDecoderAsync(RolloutTopology topology, CancellationToken stop)
    {
        var ready = topology.WaitForDecodersAsync(stop);
        if (await Task.WhenAny(ready, topology.RunUntilAsync(stop)) != ready && topology.WhyEnded() is { } why)
            throw new MembershipException(why);
        await ready;
    }

    private static ServedModel ModelOf(RolloutSettings settings, ModelFiles files, int longest)
    {
        var folder = Path.TrimEndingDirectorySeparator(settings.Model.Path);
        return new ServedModel
        {
            Name = settings.Serve.ModelName is { Length: > 0 } name ? name : Path.GetFileName(folder),
            Folder = folder,
            Files = files,
            MaxModelLength = longest,
            Sampling = settings.Sampling.ToSamplingParams([.. files.Config.EosTokenIds], settings.Seed),
            Loaded = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(),
        };
    }
}
