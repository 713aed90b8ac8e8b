using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Rollout.Host.Commands;

/// <summary>Writes a command's help, then an example of it and the exit codes.</summary>
/// <param name="help">Writes usage and options.</param>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    private const string ExitCodes = """
        Exit codes:
          0  done
          1  started, and failed
          2  bad input: command line, file or setting; nothing was started
          130  ended by Ctrl-C before its work was done; 143 by SIGTERM
        """;

    /// <summary>An example of each command by its name; "rollout" is the root's.</summary>
    private static readonly Dictionary<string, string> Examples = new()
    {
        ["rollout"] = """
            rollout train --set train.steps=50
              rollout help generate
            """,
        ["train"] = """
            rollout train --config config/gsm8k.conf --set model.path=Qwen2.5-0.5B-Instruct --out runs/gsm8k
              rollout train --resume runs/gsm8k
            """,
        ["pretrain"] = "rollout pretrain --config config/arithmetic.conf --out models/new",
        ["sft"] = "rollout sft --config sft.conf --set sft.learning-rate=1e-5 --out runs/sft",
        ["export"] = "rollout export --model Qwen3-0.6B --adapter runs/lora/checkpoints/step-100 --out merged",
        ["generate"] = """
            rollout generate --model Qwen3-0.6B --prompts in.jsonl --out out.jsonl --samples 8 --stop $'\n\n'
              echo '{"prompt":"12+34="}' | rollout generate --model models/arithmetic --prompts - --out -
            """,
        ["serve"] = "rollout serve --model Qwen3-0.6B --port 8000",
        ["bench"] = """
            rollout bench --model models/arithmetic --workload w.jsonl --max-num-seqs 64
              rollout bench --shape qwen3-0.6b --train --sequences 32
            """,
        ["init"] = "rollout init job.conf",
        ["config"] = "rollout config --config config/gsm8k.conf --changed",
        ["doctor"] = "rollout doctor --config config/cluster/scheduler.conf",
        ["completion"] = """
            rollout completion bash
              source <(rollout completion bash)
            """,
        ["host"] = "rollout host --config config/cluster/decoder.conf --set cluster.port=4054",
    };

    /// <summary>A command's help is shown although its required options are missing.</summary>
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var code = help.Invoke(parseResult);
        var command = parseResult.CommandResult.Command;
        var output = parseResult.InvocationConfiguration.Output;
        var name = command is RootCommand ? "rollout" : command.Name;
        if (Examples.TryGetValue(name, out var example))
            output.WriteLine($"Examples:\n  {example}\n");
        output.WriteLine(ExitCodes);
        return code;
    }

    /// <summary>Makes all commands below a root print their help so.</summary>
    public static void AddTo(RootCommand root)
    {
        foreach (var option in root.Options.OfType<HelpOption>())
            option.Action = new HelpWithExamples((HelpAction)option.Action!);
    }
}
