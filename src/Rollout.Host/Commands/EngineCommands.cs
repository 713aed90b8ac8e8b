using System.CommandLine;
using Rollout.Host.Bench;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>The commands that options describe: generate, bench.</summary>
internal static class EngineCommands
{
    public static Command Generate(CommandHandler<GenerateOptions> handler, CommandContext context)
    {
        var model = OptionKinds.Required("--model", "DIR", "A Hugging Face folder.");
        var prompts = OptionKinds.Required("--prompts", "IN.jsonl", "A line a prompt.");
        var output = OptionKinds.Required("--out", "OUT.jsonl", "A line a sample.");
        var samples = OptionKinds.Number("--samples", "Samples of a prompt.", least: 1);
        var maxTokens = OptionKinds.Number("--max-tokens", "New tokens of a sample at most.", least: 1);
        var temperature = OptionKinds.Number("--temperature", "0 takes the most probable token.", least: 0.0);
        var topK = OptionKinds.Number("--top-k", "Most probable tokens kept; 0 keeps all.", least: 0);
        var topP = OptionKinds.Number("--top-p", "Probability mass kept.", double.Epsilon, 1.0, "above 0, at most 1");
        var minP = OptionKinds.Number("--min-p", "Share of the largest probability that a token needs.", 0.0, 1.0);
        var stop = OptionKinds.Texts("--stop", "TEXT", "A text that ends a sample.");
        var seed = OptionKinds.Number("--seed", "The same seed samples the same tokens.", least: 0L);
        var ignoreEos = new Option<bool>("--ignore-eos") { Description = "Sample on past end-of-sequence." };
        var resume = new Option<bool>("--resume") { Description = "Go on with what a run with the same arguments left." };
        var cluster = OptionKinds.Cluster();
        var config = OptionKinds.Text("--config", "FILE", "How to reach the cluster: its addresses and certificates.");
        var set = OptionKinds.Settings();
        var engine = new EngineArguments();
        var command = new Command("generate", "Sample completions of prompts.")
        {
            model, prompts, output, samples, maxTokens, temperature, topK, topP, minP, stop, seed, ignoreEos, resume,
            cluster, config, set,
        };
        engine.AddTo(command);
        command.SetAction((parsed, _) => handler(
            new GenerateOptions
            {
                Model = parsed.GetRequiredValue(model),
                Prompts = parsed.GetRequiredValue(prompts),
                Out = parsed.GetRequiredValue(output),
                Samples = parsed.GetValue(samples),
                MaxTokens = parsed.GetValue(maxTokens),
                Temperature = parsed.GetValue(temperature),
                TopK = parsed.GetValue(topK),
                TopP = parsed.GetValue(topP),
                MinP = parsed.GetValue(minP),
                Stop = parsed.GetValue(stop)!,
                Seed = parsed.GetValue(seed),
                IgnoreEos = parsed.GetValue(ignoreEos),
                Resume = parsed.GetValue(resume),
                Engine = engine.Read(parsed),
                Cluster = parsed.GetValue(cluster),
                Config = parsed.GetValue(config),
                Set = parsed.GetValue(set)!,
            },
            context));
        return command;
    }

    public static Command Bench(CommandHandler<BenchOptions> handler, CommandContext context)
    {
        var model = OptionKinds.Text("--model", "DIR", "A Hugging Face folder.");
        var shape = OptionKinds.OneOf(
            "--shape", "Random weights of a known shape instead.", [.. ModelShapes.Names]);
        var workload = OptionKinds.Required("--workload", "W.jsonl", "A line a group.");
        var json = OptionKinds.Text("--json", "OUT.json", "Where the report goes; printed unless named.");
        var engine = new EngineArguments();
        var command = new Command("bench", "Measure how fast a workload is generated.") { model, shape, workload, json };
        engine.AddTo(command);
        command.Validators.Add(result =>
        {
            if ((result.GetResult(model) is null) == (result.GetResult(shape) is null))
                result.AddError("bench takes either --model or --shape.");
        });
        command.SetAction((parsed, _) => handler(
            new BenchOptions
            {
                Model = parsed.GetValue(model),
                Shape = parsed.GetValue(shape),
                Workload = parsed.GetRequiredValue(workload),
                Json = parsed.GetValue(json),
                Engine = engine.Read(parsed),
            },
            context));
        return command;
    }
}
