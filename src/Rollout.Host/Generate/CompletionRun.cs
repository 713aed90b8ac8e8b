using System.Diagnostics;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Actors.Topology;
using Rollout.Host.Cluster;
using Rollout.Host.Invocation;
using SampleProgress = Rollout.Host.View.SampleProgress;

namespace Rollout.Host.Generate;

/// <summary>From prompts to a complete file of completions, through whatever decoders there are.</summary>
/// <param name="options">The command line.</param>
/// <param name="context">Where progress and errors are shown, and what stops it.</param>
/// <param name="prompts">In the order of the output.</param>
/// <param name="tokenizer">For texts; null writes none.</param>
internal sealed class CompletionRun(
    GenerateOptions options, CommandContext context, IReadOnlyList<PromptLine> prompts, ITokenizer? tokenizer)
{
    /// <summary>Starts the output, or goes on with that of an earlier run.</summary>
    public async Task<CompletionFile> OpenAsync(string path, GenerateRun run)
    {
        var output = CompletionFile.Open(path, run.Name, prompts, options.Resume);
        if (options.Resume)
        {
            await context.Error.WriteLineAsync(output.Kept > 0
                ? $"{output.Kept} of {prompts.Count} prompts are done already."
                : "Starting from the beginning: no run with these arguments has left anything.");
        }
        return output;
    }

    /// <summary>Samples what the output does not have, and completes it.</summary>
    /// <param name="topology">Has the decoders, or reaches them.</param>
    /// <param name="model">What the decoders must have; null for whatever is in this process.</param>
    /// <param name="output">Takes the lines.</param>
    /// <returns>The exit code.</returns>
    public async Task<int> SampleAsync(RolloutTopology topology, ClusterModel? model, CompletionFile output)
    {
        var missing = prompts.Skip(output.Kept).ToArray();
        var order = new CompletionOrder(missing, tokenizer, output.Write);
        var started = Stopwatch.GetTimestamp();
        try
        {
            await SampleProgress.RunAsync(
                context.Console, missing.Sum(prompt => prompt.Group.Samples.Length), async finished =>
            {
                var outcomes = topology.Client.GenerateAsync(
                    missing.Select(prompt => prompt.Group),
                    required: model?.Weights,
                    fingerprint: model?.Fingerprint,
                    cancellation: context.Stop.Token);
                await foreach (var outcome in outcomes)
                {
                    order.Add(outcome);
                    finished(outcome is GroupFinished done ? done.Completions.Length : 0);
                }
            });
            order.RequireAll();
            output.Complete();
        }
        catch (InvalidOperationException) when (topology.WhyEnded() is not null)
        {
            await context.Error.WriteLineAsync(topology.WhyEnded());
            return ExitCodes.Failure;
        }
        finally
        {
            if (order.Written is > 0 and var written && written < missing.Length && output.Part is { } part)
            {
                await context.Error.WriteLineAsync(
                    $"{output.Kept + written} of {prompts.Count} prompts are in {part}: the same command goes on with"
                    + " --resume.");
            }
        }
        return await ReportAsync(order, Stopwatch.GetElapsedTime(started));
    }

    private async Task<int> ReportAsync(CompletionOrder order, TimeSpan taken)
    {
        if (!CompletionFile.IsDevice(options.Out))
        {
            await context.Console.Profile.Out.Writer.WriteLineAsync(
                $"{prompts.Count} prompts, {order.Tokens} tokens in {taken.TotalSeconds:0.0} s"
                + $" ({order.Tokens / taken.TotalSeconds:0} a second): {options.Out}");
        }
        if (order.Failed is not { Count: > 0 } failed)
            return ExitCodes.Ok;
        await context.Error.WriteLineAsync($"{failed.Count} of {prompts.Count} prompts failed, the first because {failed.First}.");
        return ExitCodes.Failure;
    }
}
