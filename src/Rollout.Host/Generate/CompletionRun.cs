using System.Diagnostics;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Actors.Topology;
using Rollout.Host.Cluster;
using Rollout.Host.Invocation;
using Rollout.Host.Output;
using Rollout.Host.View;

namespace Rollout.Host.Generate;

/// <summary>Samples prompts into a complete file of completions, with the decoders that a topology reaches.</summary>
/// <param name="options">The command line.</param>
/// <param name="context">Shows progress and errors, and stops the run.</param>
/// <param name="prompts">The prompts in the order of the output.</param>
/// <param name="tokenizer">Decodes texts; null writes none.</param>
internal sealed class CompletionRun(
    GenerateOptions options, CommandContext context, IReadOnlyList<PromptLine> prompts, ITokenizer? tokenizer)
{
    /// <summary>Opens the output, with what an earlier run has left; null where that run has completed it.</summary>
    public CompletionFile? Open(string path, GenerateRun run)
    {
        var name = run.Name;
        if (options.Resume && CompletionFile.IsComplete(path, name))
        {
            context.Error.WriteLine(
                $"{options.Out} is complete: a run with these arguments has written {Figures.Count(prompts.Count, "prompt")}. Nothing to do.");
            return null;
        }
        if (!options.Force && !OutputPath.IsDevice(path) && File.Exists(path) && new FileInfo(path).Length > 0)
            throw new OutputException($"'{options.Out}' is there already: add --force to replace it, or choose another --out.");
        var output = CompletionFile.Open(path, name, prompts, options.Resume);
        if (options.Resume)
        {
            context.Error.WriteLine(output.Kept > 0
                ? $"{output.Kept} of {Figures.Count(prompts.Count, "prompt")} are done already."
                : "Starting from the beginning: no run with these arguments has left samples.");
        }
        return output;
    }

    /// <summary>Samples the prompts that the output lacks, and completes it.</summary>
    /// <param name="topology">Has the decoders, or reaches them.</param>
    /// <param name="model">The model that the decoders must have; null for those of this process.</param>
    /// <param name="output">Takes the lines.</param>
    /// <returns>The exit code.</returns>
    public async Task<int> SampleAsync(RolloutTopology topology, ClusterModel? model, CompletionFile output)
    {
        var missing = prompts.Skip(output.Kept).ToArray();
        var order = new CompletionOrder(missing, tokenizer, output.Write);
        var started = Stopwatch.GetTimestamp();
        try
        {
            await SampleAsync(topology, model, missing, order, output);
            order.RequireAll();
            output.Complete(marksRun: order.Failed.Count == 0);
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
                    $"{output.Kept + written} of {Figures.Count(prompts.Count, "prompt")} are in {part}: add --resume to the same"
                    + " command to continue.");
            }
        }
        return await ReportAsync(order, output, Stopwatch.GetElapsedTime(started));
    }

    private async Task SampleAsync(
        RolloutTopology topology, ClusterModel? model, PromptLine[] missing, CompletionOrder order, CompletionFile output)
    {
        // Lines that go to the terminal are progress enough.
        using var bar = output.Part is null
            ? null
            : new SampleBar(context, missing.Sum(prompt => prompt.Group.Samples.Length), TimeProvider.System);
        var outcomes = topology.Client.GenerateAsync(
            missing.Select(prompt => prompt.Group),
            required: model?.Weights,
            fingerprint: model?.Fingerprint,
            cancellation: context.Stop.Token);
        await foreach (var outcome in outcomes)
        {
            order.Add(outcome);
            bar?.Add(outcome is GroupFinished done ? done.Completions.Length : 0);
        }
    }

    private async Task<int> ReportAsync(CompletionOrder order, CompletionFile output, TimeSpan taken)
    {
        if (output.Part is not null)
        {
            await context.Output.WriteLineAsync(
                $"{Figures.Count(prompts.Count, "prompt")}, {Figures.Count(order.Tokens, "token")} in {taken.TotalSeconds:0.0} s"
                + $" ({order.Tokens / taken.TotalSeconds:0} a second): {options.Out}");
        }
        if (order.Failed is not { Count: > 0 } failed)
            return ExitCodes.Ok;
        await context.Error.WriteLineAsync($"{failed.Count} of {Figures.Count(prompts.Count, "prompt")} failed, the first because {failed.First}.");
        return ExitCodes.Failure;
    }
}
