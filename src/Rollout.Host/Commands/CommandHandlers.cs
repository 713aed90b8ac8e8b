using Spectre.Console;

namespace Rollout.Host.Commands;

/// <summary>What a command runs with.</summary>
/// <param name="Console">Standard output.</param>
/// <param name="Error">Standard error: sentences only.</param>
/// <param name="Stop">Asked for by Ctrl-C.</param>
public sealed record CommandContext(IAnsiConsole Console, TextWriter Error, StopSignal Stop);

/// <summary>Does what a command says; answers one of <see cref="ExitCodes"/>.</summary>
public delegate Task<int> CommandHandler<in TOptions>(TOptions options, CommandContext context);

/// <summary>Who does what. A command without a handler is not part of the program.</summary>
public sealed record CommandHandlers
{
    /// <summary>Also runs where no command is given.</summary>
    public CommandHandler<TrainOptions>? Train { get; init; }

    public CommandHandler<PretrainOptions>? Pretrain { get; init; }

    public CommandHandler<GenerateOptions>? Generate { get; init; }

    public CommandHandler<BenchOptions>? Bench { get; init; }

    public CommandHandler<HostOptions>? Host { get; init; }
}
