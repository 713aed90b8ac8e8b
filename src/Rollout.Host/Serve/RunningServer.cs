using Rollout.Actors.Settings;
using Rollout.Host.Cluster;
using Rollout.Host.Engine;
using Rollout.Host.Generate;
using Rollout.Host.Invocation;

namespace Rollout.Host.Serve;

/// <summary>A server that answers until it is disposed.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private readonly ServeEngine _engine;
    private readonly HttpServer _server;

    private RunningServer(ServeEngine engine, HttpServer server) => (_engine, _server) = (engine, server);

    /// <summary>The name of the model.</summary>
    public string Model => _engine.Model.Name;

    /// <summary>The URL of its root.</summary>
    public Uri Address => _server.Address;

    /// <summary>Checks the settings, loads the model or joins the cluster, and listens.</summary>
    /// <exception cref="ConfigurationException">A setting can't be used.</exception>
    public static async Task<RunningServer> StartAsync(ServeOptions options, CommandContext context)
    {
        var overrides = new EngineOverrides();
        if (GenerationConfig.AddTo(overrides, options.Model) is { Length: > 0 } taken)
            context.Error.WriteLine($"Sampling as the model's generation_config.json says, unless requests say otherwise: {taken}.");
        if (options.Cluster is null)
            overrides.Add(options.Model, options.Engine, options.Config is null ? EngineOverrides.DefaultPool : null);
        else
            overrides.Add("--model", "model.path", Path.GetFullPath(options.Model)).Add("serve", "cluster.port", 0);
        overrides
            .Add("--adapter", "model.adapter", options.Adapter is null ? null : Path.GetFullPath(options.Adapter))
            .Add("--port", "serve.port", options.Port);
        var tree = ConfigTree.Load(options.Config, options.Set, [.. overrides.Values, .. ClusterMembers.Override(options.Cluster)]);
        var settings = RolloutSettings.From(tree);
        var joins = settings.Cluster.SeedNodes.Count > 0;
        if (joins && options.Engine != new EngineOptions())
        {
            throw new CommandLineException(
                "--engine, --device, --dtype, --block-size, --kv-blocks and --max-num-seqs are settings of the decoders: leave"
                + " them out with a cluster.");
        }
        var section = tree.Rollout.Section("serve");
        var keys = ApiKeys.Load(section, settings.Serve);
        var engine = await (joins
            ? ServeEngine.JoinAsync(tree, settings, context)
            : ServeEngine.LoadAsync(tree, settings, context));
        try
        {
            var routes = new ApiRoutes(engine, settings.Serve, keys, context.Error);
            return new RunningServer(engine, await HttpServer.StartAsync(section, settings.Serve, routes.Map));
        }
        catch
        {
            await engine.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns when it is to stop, with null, or when the engine has ended, with the reason.</summary>
    public Task<string?> RunUntilAsync(CancellationToken stop) => _engine.RunUntilAsync(stop);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _engine.DisposeAsync();
    }
}
