using System.CommandLine;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>Creates the command serve.</summary>
internal static class ServeCommand
{
    public static Command Create(CommandHandler<ServeOptions> handler, CommandContext context)
    {
        var model = OptionKinds.RequiredPath("--model", "DIR", "A Hugging Face folder.");
        var adapter = OptionKinds.Path("--adapter", "DIR", "A LoRA adapter of the model, as PEFT writes it.");
        var port = OptionKinds.Number("--port", "The port at serve.address; 0 takes any free one. 8000 by default.", 0, 65_535);
        var cluster = OptionKinds.Cluster();
        var config = OptionKinds.Path("--config", "FILE", "Settings of the server, the engine and the cluster.");
        var set = OptionKinds.Settings();
        var engine = new EngineArguments();
        var command = new Command("serve", "Serve a model to clients of OpenAI's API.")
        {
            model, adapter, port, cluster, config, set,
        };
        engine.AddTo(command);
        command.SetAction((parsed, _) => handler(
            new ServeOptions
            {
                Model = parsed.GetRequiredValue(model),
                Adapter = parsed.GetValue(adapter),
                Port = parsed.GetValue(port),
                Engine = engine.Read(parsed),
                Cluster = parsed.GetValue(cluster),
                Config = parsed.GetValue(config),
                Set = parsed.GetValue(set)!,
            },
            context));
        return command;
    }
}
