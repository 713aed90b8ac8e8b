using System.CommandLine;
using Rollout.Host.Bench;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>Creates the command bench.</summary>
internal static class BenchCommand
{
    public static Command Create(CommandHandler<BenchOptions> handler, CommandContext context)
    {
        var model = OptionKinds.Path("--model", "DIR", "A Hugging Face folder.");
        var shape = OptionKinds.OneOf(
            "--shape", "Random weights of a known shape, in place of --model.", [.. ModelShapes.Names]);
        var workload = OptionKinds.Path("--workload", "W.jsonl", "The groups to generate, a JSON object a line.");
        var json = OptionKinds.Path("--json", "OUT.json", "Write the report to a file; without it, it is printed.");
        var engine = new EngineArguments();
        var train = new TrainBenchArguments();
        var command = new Command("bench", "Measure how fast a workload is generated, or a model trained.")
        {
            model, shape, workload, json,
        };
        engine.AddTo(command);
        train.AddTo(command);
        command.Validators.Add(result =>
        {
            if ((result.GetResult(model) is null) == (result.GetResult(shape) is null))
                result.AddError("bench takes either --model or --shape.");
            if ((result.GetResult(workload) is null) != train.IsGiven(result))
                result.AddError("bench takes either --workload or --train.");
        });
        command.SetAction((parsed, _) => handler(
            new BenchOptions
            {
                Model = parsed.GetValue(model),
                Shape = parsed.GetValue(shape),
                Workload = parsed.GetValue(workload),
                Train = train.Read(parsed),
                Json = parsed.GetValue(json),
                Engine = engine.Read(parsed),
            },
            context));
        return command;
    }
}
