using System.CommandLine;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>
/// The program's command line. It parses the arguments, calls the command's handler and returns its exit code. Arguments
/// that can't be used are refused in one sentence before anything starts.
/// </summary>
public static class RolloutCommandLine
{
    /// <exception cref="CommandLineException">The arguments cannot be used.</exception>
    public static async Task<int> RunAsync(string[] arguments, CommandHandlers handlers, CommandContext context)
    {
        var root = Root(handlers, context);
        string[] line = arguments switch
        {
            [] => ["--help"],
            ["help", .. var command] => [.. command, "--help"],
            _ => arguments,
        };
        var parsed = root.Parse(line, new ParserConfiguration
        {
            EnablePosixBundling = false,
            ResponseFileTokenReplacer = null, // @text is a text, not a file of arguments
        });
        // A shell asks for completions of a line that is not complete.
        var isQuestion = arguments is [['[', ..], ..];
        if (parsed.Errors.Count > 0 && !isQuestion)
            throw new CommandLineException(Sentence(parsed, root));
        return await parsed.InvokeAsync(new InvocationConfiguration
        {
            Output = context.Console.Profile.Out.Writer,
            Error = context.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null, // StopSignal handles Ctrl-C
        });
    }

    private static RootCommand Root(CommandHandlers handlers, CommandContext context)
    {
        var root = new RootCommand("Trains language models with GRPO on rollouts that it generates itself.");
        if (handlers.Train is not null)
            root.Subcommands.Add(JobCommands.Train(handlers.Train, context));
        if (handlers.Pretrain is not null)
            root.Subcommands.Add(JobCommands.Pretrain(handlers.Pretrain, context));
        if (handlers.Sft is not null)
            root.Subcommands.Add(JobCommands.Sft(handlers.Sft, context));
        if (handlers.Export is not null)
            root.Subcommands.Add(JobCommands.Export(handlers.Export, context));
        if (handlers.Generate is not null)
            root.Subcommands.Add(GenerateCommand.Create(handlers.Generate, context));
        if (handlers.Serve is not null)
            root.Subcommands.Add(ServeCommand.Create(handlers.Serve, context));
        if (handlers.Bench is not null)
            root.Subcommands.Add(BenchCommand.Create(handlers.Bench, context));
        if (handlers.Host is not null)
            root.Subcommands.Add(JobCommands.Host(handlers.Host, context));
        if (handlers.Init is not null)
            root.Subcommands.Add(SetupCommands.Init(handlers.Init, context));
        if (handlers.Config is not null)
            root.Subcommands.Add(SetupCommands.Config(handlers.Config, context));
        if (handlers.Doctor is not null)
            root.Subcommands.Add(SetupCommands.Doctor(handlers.Doctor, context));
        root.Subcommands.Add(CompletionCommand.Create(context));
        HelpWithExamples.AddTo(root);
        return root;
    }

    private static string Sentence(ParseResult parsed, RootCommand root)
    {
        var command = parsed.CommandResult.Command;
        var isRoot = command == root;
        var help = isRoot ? "rollout --help" : $"rollout {command.Name} --help";
        if (parsed.UnmatchedTokens is [var unknown, ..])
        {
            var kind = unknown.StartsWith('-') ? "option" : isRoot ? "command" : "argument";
            return $"rollout{(isRoot ? "" : $" {command.Name}")} has no {kind} '{unknown}'; see {help}.";
        }

        return $"{parsed.Errors[0].Message.TrimEnd('.')}; see {help}.";
    }
}
