using System.CommandLine;
using Rollout.Host.Generate;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>Creates the command generate.</summary>
internal static class GenerateCommand
{
    public static Command Create(CommandHandler<GenerateOptions> handler, CommandContext context)
    {
        var model = OptionKinds.RequiredPath("--model", "DIR", "A Hugging Face folder.");
        var adapter = OptionKinds.Path("--adapter", "DIR", "A LoRA adapter of the model, as PEFT writes it.");
        var prompts = OptionKinds.RequiredPath("--prompts", "IN.jsonl", "The prompts, a JSON object a line; - reads standard input.");
        var promptField = OptionKinds.Text("--prompt-field", "NAME", "The field with a prompt's text (default: prompt).");
        var output = OptionKinds.RequiredPath("--out", "OUT.jsonl", "The samples, a JSON object a line; - writes standard output.");
        var samples = OptionKinds.Number("--samples", "Samples of each prompt (default: 1).", 1, PromptDefaults.MostSamples);
        var maxTokens = OptionKinds.Number("--max-tokens", "The most new tokens of a sample (default: as many as fit; with a cluster at most 64).", least: 1);
        var temperature = OptionKinds.Number("--temperature", "Divides the logits; 0 takes the most probable token (default: the model's, else 1).", least: 0.0);
        var topK = OptionKinds.Number("--top-k", "Sample from the K most probable tokens; 0 from all (default: the model's, else 0).", least: 0);
        var topP = OptionKinds.Number("--top-p", "Sample from the most probable tokens that sum to P (default: the model's, else 1).", double.Epsilon, 1.0, "above 0, at most 1");
        var minP = OptionKinds.Number("--min-p", "Sample from tokens of at least this share of the largest probability (default: the model's, else 0).", 0.0, 1.0);
        var stop = OptionKinds.Texts("--stop", "TEXT", "A text that ends a sample; may be given several times. Bash writes a line break as $'\\n'.");
        var seed = OptionKinds.Number("--seed", "The same seed gives the same tokens (default: 1).", least: 0L);
        var ignoreEos = new Option<bool>("--ignore-eos") { Description = "Continue past the end-of-sequence token." };
        var resume = new Option<bool>("--resume") { Description = "Continue what an earlier run with the same arguments has written." };
        var force = new Option<bool>("--force") { Description = "Replace an output that is there." };
        var anyPolicy = new Option<bool>("--any-policy")
        {
            Description = "Sample with the weights of a trainer that has left the cluster, too.",
        };
        var cluster = OptionKinds.Cluster();
        var config = OptionKinds.Path("--config", "FILE", "How to reach a cluster: its addresses and certificates.");
        var set = OptionKinds.Settings();
        var engine = new EngineArguments();
        var command = new Command("generate", "Complete prompts.")
        {
            model, adapter, prompts, promptField, output, samples, maxTokens, temperature, topK, topP, minP, stop, seed, ignoreEos, resume,
            force, anyPolicy, cluster, config, set,
        };
        engine.AddTo(command);
        command.SetAction((parsed, _) => handler(
            new GenerateOptions
            {
                Model = parsed.GetRequiredValue(model),
                Adapter = parsed.GetValue(adapter),
                Prompts = parsed.GetRequiredValue(prompts),
                PromptField = parsed.GetValue(promptField) ?? "prompt",
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
                Force = parsed.GetValue(force),
                AnyPolicy = parsed.GetValue(anyPolicy),
                Engine = engine.Read(parsed),
                Cluster = parsed.GetValue(cluster),
                Config = parsed.GetValue(config),
                Set = parsed.GetValue(set)!,
            },
            context));
        return command;
    }
}
