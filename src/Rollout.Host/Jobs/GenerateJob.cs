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
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>
/// Runs `rollout generate`: completes prompts with the same actors, allocator and cache as training. It reads and
/// checks everything first, then loads the weights, then starts the actors and writes the samples that they finish.
/// </summary>
public static class GenerateJob
{
    public static Task<int> RunAsync(GenerateOptions options, CommandContext context) =>
        options.Cluster is null && options.Config is null ? AloneAsync(options, context) : InClusterAsync(options, context);

    private static async Task<int> AloneAsync(GenerateOptions options, CommandContext context)
    {
        if (options.Set.Count > 0)
            throw new CommandLineException("--set changes the settings of a cluster: name one by --cluster or --config.");
        var model = ModelFiles.Read(options.Model);
        var overrides = Sampling(options, context).Add(options.Model, options.Engine)
            .Add("--adapter", "model.adapter", FullPath(options.Adapter));
        var tree = ConfigTree.Load(options: overrides.Values);
        var settings = RolloutSettings.From(tree);
        PolicyModel.RequireSupported(tree, settings);
        // The contiguous pool's rows are as long as the longest prompt with its samples, which is not known yet.
        var longest = settings.Engine == CacheEngine.Paged && new KvPool(tree, settings, model.Config).Geometry is { } blocks
            ? blocks.BlockCount * blocks.BlockSize
            : (int?)null;
        var (path, prompts) = await ReadAsync(options, settings, model, mostNewTokens: int.MaxValue, longest, context);

        // A row of the contiguous baseline is as long as these prompts need, and there are no more rows than samples.
        var samples = prompts.Sum(prompt => prompt.Group.Samples.Length);
        overrides.Add("--prompts", "decoder.max-model-len", prompts.Max(prompt => LongestOf(prompt.Group)));
        overrides.Add("--max-num-seqs", "decoder.max-num-seqs", Math.Min(settings.Decoder.MaxNumSeqs, samples));
        tree = ConfigTree.Load(options: overrides.Values);
        settings = RolloutSettings.From(tree);
        var pool = new KvPool(tree, settings, model.Config);
        foreach (var prompt in prompts)
            RequireRoom(options, prompt.Group, pool.Geometry);
        PolicyModel.PrepareDevice(tree, settings);

        var run = new CompletionRun(options, context, prompts, model.Tokenizer);
        using var output = run.Open(
            path, new GenerateRun(prompts, ModelFingerprint.Of(settings), Weights: null, options.Engine));
        if (output is null)
            return ExitCodes.Ok;
        using var weights = new PolicyWeights(PolicyModel.LoadInitial(settings), new PolicyVersion(0));
        await using var topology = await RolloutTopology.StartAsync(settings, HostLog.Configuration(alone: true) + tree.RenderAkka());
        topology.AddDecoder(
            settings.Device,
            () => PolicyModel.CreateRunner(settings, weights, pool),
            settings.Decoder.MaxModelLen,
            new PolicySource.Loaded(),
            model.Tokenizer);
        return await run.SampleAsync(topology, model: null, output);
    }

    /// <summary>Joins a cluster as a client, whose decoders have the weights and the memory.</summary>
    private static async Task<int> InClusterAsync(GenerateOptions options, CommandContext context)
    {
        if (options.Engine != new EngineOptions())
        {
            throw new CommandLineException(
                "--engine, --device, --dtype, --block-size, --kv-blocks and --max-num-seqs are settings of the decoders: leave"
                + " them out with a cluster.");
        }
        var model = ModelFiles.Read(options.Model);
        var overrides = Sampling(options, context)
            .Add("--model", "model.path", Path.GetFullPath(options.Model))
            .Add("--adapter", "model.adapter", FullPath(options.Adapter))
            .Add("generate", "cluster.port", 0);
        var tree = ConfigTree.Load(
            options.Config, options.Set, [.. overrides.Values, .. ClusterMembers.Override(options.Cluster)]);
        var settings = RolloutSettings.From(tree);
        if (settings.Cluster.SeedNodes.Count == 0)
        {
            throw new CommandLineException(
                $"{options.Config} names no cluster (rollout.cluster.seed-nodes is empty), and generate takes --config only to"
                + " reach one: add --cluster HOST:PORT, or leave out --config.");
        }
        settings = settings with { Cluster = settings.Cluster with { Roles = [ClusterRoles.Client] } };
        // The size of the decoders' pools is not known here.
        var (path, prompts) = await ReadAsync(options, settings, model, settings.Sampling.MaxTokens, longest: null, context);
        await using var topology = await ClusterMembers.StartAsync(tree, settings, "", context, lines: null);
        var shared = await ClusterMembers.RequireSameModelAsync(topology, settings, context, options.AnyPolicy);
        var run = new CompletionRun(options, context, prompts, model.Tokenizer);
        using var output = run.Open(path, new GenerateRun(prompts, shared.Own, shared.Weights, options.Engine));
        return output is null ? ExitCodes.Ok : await run.SampleAsync(topology, shared, output);
    }

    /// <summary>Reads and checks everything that the command line names, except the weights.</summary>
    /// <param name="options">The command line.</param>
    /// <param name="settings">The configuration with the command line's options.</param>
    /// <param name="model">The model's folder.</param>
    /// <param name="mostNewTokens">The most new tokens of a sample where nobody says a number.</param>
    /// <param name="longest">The longest sequence that the pool holds in tokens; null where that is not known.</param>
    /// <param name="context">Where warnings go.</param>
    private static async Task<(string Path, IReadOnlyList<PromptLine> Prompts)> ReadAsync(
        GenerateOptions options, RolloutSettings settings, ModelFiles model, int mostNewTokens, int? longest, CommandContext context)
    {
        StopTexts.Require(options.Stop, model);
        var modelLength = PolicyModel.MaxModelLength(settings, model.Config);
        var defaults = new PromptDefaults
        {
            PromptField = options.PromptField,
            Sampling = settings.Sampling.ToSamplingParams([.. model.Config.EosTokenIds], settings.Seed)
                with
            { StopTexts = [.. options.Stop], MaxTokens = mostNewTokens },
            MaxTokens = options.MaxTokens,
            Samples = options.Samples,
            MaxModelLength = modelLength,
            Longest = Math.Min(modelLength, longest ?? modelLength),
        };
        var prompts = PromptFile.Read(options.Prompts, model, defaults, context.Stop.Token);
        var path = OutputPath.OfFile(options.Out, "--out");
        if (options.Resume && OutputPath.IsDevice(path))
            throw new CommandLineException($"--resume needs a file that can be read: --out is '{options.Out}'.");
        foreach (var doubt in StopTexts.Doubts(options.Stop, model.Tokenizer))
            await context.Error.WriteLineAsync(doubt);
        if (prompts.SelectMany(prompt => prompt.Fields.Keys).Distinct().ToArray() is { Length: > 0 } others)
            await context.Error.WriteLineAsync($"The output repeats the prompts' other fields: {string.Join(", ", others)}.");
        if (model.WhyNoTokenizer is { } why)
            await context.Error.WriteLineAsync($"The output has no text: {why}");
        return (path, prompts);
    }

    private static string? FullPath(string? path) => path is null ? null : Path.GetFullPath(path);

    private static int LongestOf(GroupRequest group) =>
        group.Prompt.Length + group.Samples.Max(sample => sample.MaxTokens);

    /// <summary>
    /// Refuses a prompt of which not even one sample fits the pool; samples may wait for one another.
    /// </summary>
    private static void RequireRoom(GenerateOptions options, GroupRequest group, KvCacheGeometry? pool)
    {
        if (pool is null)
            return;
        var needed = pool.BlocksFor(LongestOf(group));
        if (needed > pool.BlockCount)
        {
            throw new InvalidDataException(
                $"{options.Prompts}:{group.Id.Value}: a sample of up to {LongestOf(group)} tokens needs {needed} KV blocks"
                + $" of {pool.BlockSize} tokens, and there are {pool.BlockCount} (--kv-blocks)");
        }
    }

    private static EngineOverrides Sampling(GenerateOptions options, CommandContext context)
    {
        var overrides = new EngineOverrides();
        if (GenerationConfig.AddTo(overrides, options.Model) is { Length: > 0 } taken)
            context.Error.WriteLine($"Sampling as the model's generation_config.json says, unless options say otherwise: {taken}.");
        return overrides
            .Add("--seed", "seed", options.Seed)
            .Add("--max-tokens", "sampling.max-tokens", options.MaxTokens)
            .Add("--temperature", "sampling.temperature", options.Temperature)
            .Add("--top-k", "sampling.top-k", options.TopK)
            .Add("--top-p", "sampling.top-p", options.TopP)
            .Add("--min-p", "sampling.min-p", options.MinP)
            .Add("--ignore-eos", "sampling.ignore-eos", options.IgnoreEos ? "on" : null);
    }
}
