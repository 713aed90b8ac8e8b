using System.Text.Encodings.Web;
using System.Text.Json;
using Akka.Actor;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using Rollout.Host.Bench;
using Rollout.Host.Engine;
using Rollout.Host.Invocation;
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>
/// Runs `rollout bench`: a workload through the same actors, allocator and cache as training, end-of-sequence
/// ignored; or training steps (<see cref="TrainBenchJob"/>).
/// </summary>
public static class BenchJob
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
    };

    public static async Task<int> RunAsync(BenchOptions options, CommandContext context)
    {
        var overrides = new EngineOverrides()
            .Add(options.Model, options.Engine)
            .Add("bench", "decoder.batch-invariant", "off")
            .Add("--micro-batch-tokens", "train.micro-batch-tokens", options.Train?.MicroBatchTokens)
            .Add("--autograd", "train.autograd", options.Train?.Autograd == true ? "on" : null)
            .Add("--lora-rank", "lora.r", options.Train?.LoraRank)
            .Add("--recompute", "train.recompute", options.Train?.Recompute)
            .Add("--offload", "train.offload", options.Train?.Offload == true ? "on" : null);
        var tree = ConfigTree.Load(options: overrides.Values);
        var settings = RolloutSettings.From(tree);
        var shape = options.Shape is { } name && ModelShapes.TryGet(name, out var known)
            ? known
            : ModelConfigReader.ReadFolder(settings.Model.Path);
        var json = options.Json is null ? null : OutputPath.OfFile(options.Json, "--json");
        if (json is not null && !OutputPath.IsDevice(json))
            OutputPath.RequireRoomFor(json);
        if (options.Train is { DryRun: true } train)
            return await DryRun.RunAsync(shape, settings, train.PromptLength + train.CompletionLength, context);
        if (options.Workload is null)
        {
            PolicyModel.PrepareDevice(tree, settings);
            return await WriteAsync(TrainBenchJob.Run(options, shape, settings), json, context);
        }

        var workload = Workload.Read(
            options.Workload, new SamplingParams { MaxTokens = 1, Seed = settings.Seed }, shape, context.Stop.Token);
        PolicyModel.PrepareDevice(tree, settings);
        using var memory = PolicyModel.Memory(settings);
        var loading = TimeProvider.System.GetTimestamp();
        using var weights = new PolicyWeights(
            options.Shape is null ? PolicyModel.LoadInitial(settings) : PolicyModel.Random(shape, settings),
            new PolicyVersion(0));
        var load = TimeProvider.System.GetElapsedTime(loading);

        // A row of the contiguous baseline is as long as this workload needs, and no longer.
        var longest = workload.Max(group => group.Prompt.Length + group.Samples.Max(sample => sample.MaxTokens));
        overrides.Add("--workload", "decoder.max-model-len", longest);
        tree = ConfigTree.Load(options: overrides.Values);
        settings = RolloutSettings.From(tree);
        var pool = new KvPool(tree, settings, weights.Model.Config);

        await using var topology = await RolloutTopology.StartAsync(
            settings, HostLog.Configuration(alone: true) + tree.RenderAkka());
        var starting = TimeProvider.System.GetTimestamp();
        var decoder = topology.AddDecoder(
            settings.Device,
            () => PolicyModel.CreateRunner(settings, weights, pool),
            longest,
            new PolicySource.Loaded());
        await RunAsync(topology, [WarmUp(workload[0])], context.Stop.Token);
        await decoder.Ask<DecoderStats>(new QueryDecoderStats(Reset: true), context.Stop.Token);
        var startup = TimeProvider.System.GetElapsedTime(starting);

        var before = memory?.Read();
        var started = TimeProvider.System.GetTimestamp();
        await RunAsync(topology, workload, context.Stop.Token);
        var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        var stats = await decoder.Ask<DecoderStats>(new QueryDecoderStats(Reset: false), context.Stop.Token);
        var times = new BenchTimes(load.TotalSeconds, startup.TotalSeconds, seconds);
        return await WriteAsync(
            BenchReport.Of(options, settings, stats, times, memory?.DeviceName, before, memory?.Read()), json, context);
    }

    private static async Task<int> WriteAsync<T>(T figures, string? json, CommandContext context)
    {
        var report = JsonSerializer.Serialize(figures, Json);
        if (json is null)
            await context.Output.WriteLineAsync(report);
        else
            await File.WriteAllTextAsync(json, report + "\n", CancellationToken.None);
        return ExitCodes.Ok;
    }

    private static async Task RunAsync(
        RolloutTopology topology, IReadOnlyList<GroupRequest> groups, CancellationToken cancellation)
    {
        await foreach (var outcome in topology.Client.GenerateAsync(groups, cancellation: cancellation))
        {
            if (outcome is GroupFailed failed)
                throw new OutputException($"{failed.Id} of the workload failed: {failed.Reason}");
        }
    }

    /// <summary>
    /// A short group of another prompt, so that no measured step is the first of its kind and none finds a cached
    /// block.
    /// </summary>
    private static GroupRequest WarmUp(GroupRequest group) => new(
        new GroupId(-1),
        [.. group.Prompt.Reverse()],
        [.. group.Samples.Select(sample => sample with { MaxTokens = Math.Min(8, sample.MaxTokens) })]);
}
